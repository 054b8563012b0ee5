#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may include whom. Prints every edge that goes upward and fails; fails too for a folder that has no rule."""

import re
import subprocess
import sys
from pathlib import Path

# A folder may include itself and what is listed. compare, the auditor, must not share capture's decisions.
MAY_INCLUDE = {
    "common": set(),
    "formats": {"common"},
    "kernel": {"common", "formats"},
    "emit": {"common", "formats", "kernel"},
    "capture": {"common", "formats", "kernel", "emit"},
    "repair": {"common", "formats", "kernel", "emit"},
    "compare": {"common", "formats", "kernel"},
    "verify": {"common", "formats", "kernel"},
    "initramfs": {"common", "formats", "kernel", "emit", "capture", "repair"},
    "kexec": {"common", "formats", "kernel", "emit", "capture", "repair", "initramfs"},
    "cli": {"common", "formats", "kernel", "emit", "capture", "repair", "compare", "verify", "initramfs", "kexec"},
}
NOT_PRODUCT = {"tests", "Kbuild-helpers"}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def sources(root: Path) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.c", "*.h"], cwd=root, capture_output=True, text=True
    )
    if listed.returncode == 0 and listed.stdout:
        return [root / name for name in listed.stdout.splitlines() if (root / name).exists()]
    return [p for p in root.rglob("*.[ch]") if "build" not in p.parts]


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    wrong = []
    edges = 0
    for path in sources(root):
        rel = path.relative_to(root)
        layer = rel.parts[0]
        if layer in NOT_PRODUCT:
            continue
        if layer not in MAY_INCLUDE:
            wrong.append(f"{rel}: folder {layer}/ has no rule in {Path(__file__).name}")
            continue
        for target in INCLUDE.findall(path.read_text()):
            edges += 1
            other = target.split("/")[0]
            if not (root / target).exists():
                wrong.append(f'{rel}: "{target}" is not named from the top of the tree')
            elif other != layer and other not in MAY_INCLUDE[layer]:
                wrong.append(f"{rel}: {layer}/ must not include {target}")
    for line in wrong:
        print(f"layers: {line}", file=sys.stderr)
    print(f"layers: {edges} includes checked, {len(wrong)} wrong")
    return 1 if wrong or not edges else 0


if __name__ == "__main__":
    sys.exit(main())
