#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A private root of a newer Debian with crash, drgn, makedumpfile and libkdumpfile in it.

bookworm's crash and drgn cannot read 6.12. The packages and what they depend on come through a private apt root (the
mirror and the keyring of the machine's own apt configuration) and are unpacked once into the cache folder. Nothing is
installed, and nothing writes there again: each command runs in a mount namespace of its own, on a fresh tmpfs that
shows the root's top folders read-only and the host's paths that were asked for.

    python3 -m judges.root                       build it if needed, say where it is and what is in it
    python3 -m judges.root crash --version       run a command in it (the current folder is visible)
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence

import debian

PACKAGES = ("crash", "libkdumpfile-utils", "makedumpfile", "python3-drgn")
STAMP = "innercore-root.json"
# What a command in there may lean on, without a whole distribution.
BASE = ("coreutils", "dash", "libc-bin")
TOP_LINKS = ("bin", "lib", "lib64", "sbin")
# Shown inside, read-only; everything else in there is a fresh tmpfs.
TOP_FOLDERS = ("bin", "etc", "lib", "lib32", "lib64", "libx32", "sbin", "usr", "var")

# $1 the root, $2 a mount point, $3 the working folder, then PATHS -- COMMAND. Mounts vanish with the namespace.
ENTER = r"""
set -eu
root=$1; new=$2; work=$3; shift 3
mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs "$new"
mkdir "$new/proc" "$new/dev" "$new/tmp" "$new/root" "$new/run"
for top in @TOPS@; do
	if [ -L "$root/$top" ]; then
		cp -P "$root/$top" "$new/$top"
	elif [ -d "$root/$top" ]; then
		mkdir "$new/$top"
		mount --bind "$root/$top" "$new/$top"
		mount -o remount,bind,ro "$new/$top"
	fi
done
mount --rbind /dev "$new/dev"
mount -t proc proc "$new/proc"
while [ "$1" != -- ]; do
	mkdir -p "$new$(dirname "$1")"
	if [ -d "$1" ]; then mkdir -p "$new$1"; else : >"$new$1"; fi
	mount --rbind "$1" "$new$1"
	shift
done
shift
mkdir -p "$new$work"
exec chroot "$new" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LC_ALL=C.UTF-8 \
	sh -c 'cd "$1"; shift; exec "$@"' sh "$work" "$@"
"""


class RootError(RuntimeError):
    """The root cannot be had here; the message is one line that tells why, good as the reason of a skipped test."""


def run(
    argv: Sequence[str], timeout: float, stdin: str | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run to the end, or kill the command and all its children after `timeout` seconds (return code -9)."""
    with (
        tempfile.TemporaryFile("w+", errors="replace") as out,
        tempfile.TemporaryFile("w+", errors="replace") as err,
        # Files and not pipes: a judge that goes mad and prints for ever must not fill our memory as well.
        subprocess.Popen(
            argv,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            text=True,
            env=env,
            start_new_session=True,
        ) as child,
    ):
        late = ""
        try:
            child.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            late = f"\nkilled after {timeout} seconds"
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        texts = []
        for handle in (out, err):
            handle.seek(0)
            texts.append(handle.read(64 << 20))
    return subprocess.CompletedProcess(argv, child.returncode, texts[0], texts[1] + late)


@dataclasses.dataclass(frozen=True)
class Root:
    """A built root. `versions` names its judges: package -> version."""

    path: pathlib.Path
    versions: dict[str, str]

    def run(
        self,
        argv: Sequence[str],
        paths: Iterable[os.PathLike[str] | str] = (),
        timeout: float = 120,
        cwd: os.PathLike[str] | str = "/",
        stdin: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` inside with `paths` of the host at the same places; no network; all children end with it."""
        visible = [str(pathlib.Path(path).resolve(strict=True)) for path in dict.fromkeys(map(str, paths))]
        script = ENTER.replace("@TOPS@", " ".join(TOP_FOLDERS))
        with tempfile.TemporaryDirectory(prefix="innercore-root-") as point:
            return run(
                ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh"]
                + [str(self.path), point, str(cwd), *visible, "--", *map(str, argv)],
                timeout,
                stdin,
            )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def _ready(path: pathlib.Path) -> Root | None:
    """The root there, if it was finished and holds what this version of the tests wants."""
    try:
        stamp = json.loads((path / STAMP).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    if stamp.get("packages") != [*PACKAGES, *BASE]:
        return None
    return Root(path, stamp["versions"])


def _fetch(suite: str, folder: pathlib.Path) -> list[pathlib.Path]:
    """The .deb files of PACKAGES and of everything that they depend on."""
    apt = debian.AptRoot(debian.cache_dir() / "apt" / f"judges-{suite}", debian.Flavour((suite,)))
    apt.update()
    archives = folder / "archives"
    (archives / "partial").mkdir(parents=True)
    wanted = ["--no-install-recommends", "--download-only", "-o", f"Dir::Cache::archives={archives}", "install"]
    debian.run(["apt-get", "-q", "-y", *wanted, *PACKAGES, *BASE], env=apt.env)
    return sorted(archives.glob("*.deb"))


def _unpack(packages: Iterable[pathlib.Path], tree: pathlib.Path) -> dict[str, str]:
    """The files of all packages. No maintainer script runs: the judges need none, and fewer things can fail."""
    versions = {}
    tree.mkdir(mode=0o755)
    for top in TOP_LINKS:
        (tree / "usr" / top).mkdir(parents=True, exist_ok=True)
        (tree / top).symlink_to(f"usr/{top}")
    for folder in ("etc", "var"):
        (tree / folder).mkdir()
    for package in packages:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as unpacker:
            # Through tar, for dpkg-deb -x would replace the links of a merged /usr by folders.
            tar = ["tar", "-x", "-C", str(tree), "--keep-directory-symlink"]
            done = subprocess.run(tar, stdin=unpacker.stdout, stderr=subprocess.PIPE, text=True, check=False)
        if unpacker.returncode or done.returncode:
            raise RootError(f"{package.name} cannot be unpacked: {_last_line(done.stderr)}")
        name, version = package.name.split("_")[:2]
        if name in PACKAGES:
            versions[name] = version.replace("%3a", ":")
    return versions


def _build(suite: str, path: pathlib.Path) -> Root:
    debian.say(f"unpacking a root of {suite} with {', '.join(PACKAGES)}")
    with tempfile.TemporaryDirectory(prefix=".new-", dir=path.parent) as scratch:
        work = pathlib.Path(scratch)
        tree = work / "tree"
        try:
            versions = _unpack(_fetch(suite, work), tree)
        except debian.DebianError as error:
            said = [line for line in str(error).splitlines() if line.startswith("E:")]
            raise RootError(f"no root of {suite}: {said[0] if said else _last_line(str(error))}") from error
        stamp = {"suite": suite, "packages": [*PACKAGES, *BASE], "versions": versions}
        (tree / STAMP).write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
        if path.exists():
            path.rename(work / "old")
        tree.rename(path)
    return Root(path, versions)


def get(suite: str) -> Root:
    """The root of `suite`, built now if need be; RootError if that is impossible here."""
    path = debian.cache_dir() / f"{suite}-root"
    with debian.locked(f"root-{suite}"):
        return _ready(path) or _build(suite, path)


def sid() -> Root:
    """The root that judges every kernel newer than bookworm's."""
    return get("sid")


def main(argv: Sequence[str]) -> int:
    """The command line of the module's own text above."""
    try:
        found = sid()
    except RootError as error:
        print(f"root: {error}", file=sys.stderr)
        return 1
    if not argv:
        print(f"{found.path}\n" + "\n".join(f"{name} {version}" for name, version in sorted(found.versions.items())))
        return 0
    done = found.run(argv, [os.getcwd()], timeout=600, cwd=os.getcwd())
    print(done.stdout, end="")
    print(done.stderr, end="", file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
