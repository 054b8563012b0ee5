#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian kernels for the guests, without touching the machine's own package state.

Each kernel comes through a private apt root (own sources, lists, state) below the cache folder, is unpacked there with
dpkg-deb and is never installed. The mirror is whatever the machine's own apt configuration names, so nothing here knows
a host name. The machine's Acquire settings (proxies and the like) are carried over; its hooks are not.

    debian.py kernel bookworm-cloud [--debug]    fetch if needed; print release=, bzimage=, modules=, vmlinux=
    debian.py list                               the names that are known
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import fcntl
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence

KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# A day's worth of staleness costs nothing here; asking the mirror in every run would.
LISTS_MAX_AGE_SECONDS = 24 * 3600
# Settings that describe what apt fetches by default rather than how it reaches the mirror.
NOT_CARRIED_OVER = ("Acquire::IndexTargets", "Acquire::CompressionTypes", "Acquire::Changelogs")


class DebianError(RuntimeError):
    """Something about the mirror, a package or its contents; the message says what to do."""


class GoneError(DebianError):
    """The archive does not have it any more, or does not answer."""


@dataclasses.dataclass(frozen=True)
class Flavour:
    """Where a kernel is looked for; `security` suites live on another archive than the others."""

    suites: tuple[str, ...]
    security: tuple[str, ...] = ()
    kind: str = "cloud-amd64"

    @property
    def metapackage(self) -> str:
        """What depends on the newest kernel of this kind."""
        return f"linux-image-{self.kind}"

    def full(self) -> Flavour:
        """The kernel for real hardware, from the same suites."""
        return dataclasses.replace(self, kind="amd64")


CLOUD = {
    # Of its security archive the debug packages are gone.
    "bullseye": Flavour(("bullseye",)),
    "bookworm": Flavour(("bookworm", "bookworm-updates"), ("bookworm-security",)),
    "bookworm-backports": Flavour(("bookworm-backports",)),
    "trixie": Flavour(("trixie", "trixie-updates"), ("trixie-security",)),
    "trixie-backports": Flavour(("trixie-backports",)),
    "sid": Flavour(("sid",)),
}
FLAVOURS = {f"{suite}-cloud": flavour for suite, flavour in CLOUD.items()}
FLAVOURS.update({f"{suite}-full": flavour.full() for suite, flavour in CLOUD.items()})


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A kernel that a guest can boot. `modules_root` is what `modprobe -d` and `depmod -b` take."""

    name: str
    release: str
    bzimage: pathlib.Path
    modules: pathlib.Path
    vmlinux: pathlib.Path | None

    @property
    def modules_root(self) -> pathlib.Path:
        """The folder that holds lib/modules/RELEASE."""
        return self.modules.parents[2]


def cache_dir() -> pathlib.Path:
    """The folder outside the tree where everything that was fetched or built once is kept."""
    explicit = os.environ.get("INNERCORE_CACHE")
    if explicit:
        path = pathlib.Path(explicit)
    else:
        path = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "innercore"
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """One at a time across processes: tests, the demo and a developer may want the same kernel at once."""
    folder = cache_dir() / "locks"
    folder.mkdir(exist_ok=True)
    with open(folder / name, "w", encoding="ascii") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def say(text: str) -> None:
    """Progress for a person; standard output is for the answer."""
    print(f"debian: {text}", file=sys.stderr, flush=True)


def run(argv: Sequence[str], env: dict[str, str] | None = None, cwd: pathlib.Path | None = None) -> str:
    """Run to the end and return standard output; an error carries what the program said."""
    done = subprocess.run(argv, env=env, cwd=cwd, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise DebianError(f"{' '.join(argv)}: exit code {done.returncode}\n{said}")
    return done.stdout


# --- the mirror ----------------------------------------------------------------------------------------------------


def machine_sources() -> list[tuple[str, str, str]]:
    """(base URI, suite, label) of each Debian archive that this machine's apt is configured with."""
    fields = "$(REPO_URI)|$(RELEASE)|$(ORIGIN)|$(LABEL)"
    listed = run(["apt-get", "indextargets", "--format", fields])
    found = []
    for line in listed.splitlines():
        uri, suite, origin, label = (line.split("|") + [""] * 4)[:4]
        if origin == "Debian":
            found.append((uri, suite, label))
    if found:
        return found
    # Nothing downloaded yet (fresh image): apt still knows which release files it would ask for.
    for line in run(["apt-get", "update", "--print-uris"]).splitlines():
        match = re.match(r"'(\S+/)dists/(\S+?)/InRelease'", line)
        if match:
            label = "Debian-Security" if "-security" in match[2] else "Debian"
            found.append((match[1], match[2], label))
    return found


def mirrors() -> tuple[str, str | None]:
    """The URI of the main archive and, if the machine has it, of the security archive."""
    debian_suites = re.compile(r"(buster|bullseye|bookworm|trixie|forky|sid|stable|testing|unstable|oldstable)([-/]|$)")
    main = security = None
    for uri, suite, label in machine_sources():
        if not debian_suites.match(suite):
            continue
        if label == "Debian-Security":
            security = security or uri
        elif label == "Debian":
            main = main or uri
    if main is None:
        raise DebianError("this machine's apt configuration names no Debian archive; give KERNEL= and MODULES= instead")
    return main, security


class AptRoot:
    """apt with its own sources and state in `folder`; shares only the proxy settings and the keyring."""

    def __init__(self, folder: pathlib.Path, flavour: Flavour):
        self.folder = folder
        for sub in ("etc/parts", "state/lists/partial", "cache/archives/partial", "sources"):
            (folder / sub).mkdir(parents=True, exist_ok=True)
        (folder / "state/status").touch()
        changed = self._write(folder / "sources/innercore.sources", self._sources(flavour))
        self._write(folder / "apt.conf", self._configuration())
        self.env = dict(os.environ, APT_CONFIG=str(folder / "apt.conf"), LC_ALL="C")
        self.stamp = folder / "updated"
        if changed:
            self.stamp.unlink(missing_ok=True)

    @staticmethod
    def _write(path: pathlib.Path, text: str) -> bool:
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return False
        path.write_text(text, encoding="utf-8")
        return True

    @staticmethod
    def _sources(flavour: Flavour) -> str:
        main, security = mirrors()
        stanzas = [(main, flavour.suites)]
        if security and flavour.security:
            stanzas.append((security, flavour.security))
        signed = f"Signed-By: {KEYRING}\n" if KEYRING.exists() else ""
        return "\n".join(
            f"Types: deb\nURIs: {uri}\nSuites: {' '.join(suites)}\nComponents: main\nArchitectures: amd64\n{signed}"
            for uri, suites in stanzas
        )

    def _configuration(self) -> str:
        carried = [
            line
            for line in run(["apt-config", "dump"]).splitlines()
            if line.startswith("Acquire::") and not line.startswith(NOT_CARRIED_OVER)
        ]
        own = {
            "APT::Architecture": "amd64",
            "APT::Architectures": "amd64",
            "APT::Get::List-Cleanup": "true",
            # Root's own cache folder is closed to the _apt user.
            "APT::Sandbox::User": "root",
            "Dir::Etc::parts": f"{self.folder}/etc/parts",
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": f"{self.folder}/sources",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": f"{self.folder}/etc/parts",
            "Dir::State": f"{self.folder}/state",
            "Dir::State::status": f"{self.folder}/state/status",
            "Dir::Cache": f"{self.folder}/cache",
        }
        return "\n".join(carried + [f'{key} "{value}";' for key, value in own.items()]) + "\n"

    def update(self) -> None:
        """Refresh the lists if they are old; an unreachable mirror is no error while old lists exist."""
        if self.stamp.exists() and time.time() - self.stamp.stat().st_mtime < LISTS_MAX_AGE_SECONDS:
            return
        try:
            self._ask(["apt-get", "-q", "update"])
            self.stamp.touch()
        except DebianError as error:
            if not self.stamp.exists():
                raise
            say(f"package lists could not be refreshed, using the old ones ({str(error).splitlines()[-1]})")

    def _ask(self, argv: Sequence[str], cwd: pathlib.Path | None = None) -> str:
        try:
            return run(argv, env=self.env, cwd=cwd)
        except DebianError as error:
            raise GoneError(str(error)) from error

    def show(self, package: str) -> list[dict[str, str]]:
        """The control fields of each version of `package`, newest first."""
        text = self._ask(["apt-cache", "show", package])
        records = []
        for stanza in text.strip().split("\n\n"):
            fields = re.findall(r"^([A-Za-z0-9-]+): (.*)$", stanza, re.MULTILINE)
            records.append(dict(fields))
        return records

    def download(self, package: str, version: str, folder: pathlib.Path) -> pathlib.Path:
        """The .deb of exactly this version, in `folder`."""
        say(f"downloading {package} {version}")
        self._ask(["apt-get", "-q", "download", f"{package}={version}"], folder)
        found = list(folder.glob(f"{package}_*.deb"))
        if len(found) != 1:
            raise DebianError(f"apt-get download {package}={version} left {len(found)} files in {folder}")
        return found[0]


# --- kernels -------------------------------------------------------------------------------------------------------


def newest(apt: AptRoot, flavour: Flavour) -> tuple[str, str]:
    """(release, package version) of the kernel that the metapackage stands for now."""
    record = apt.show(flavour.metapackage)[0]
    match = re.search(rf"\blinux-image-([0-9]\S*-{flavour.kind})\b", record.get("Depends", ""))
    if not match:
        raise DebianError(
            f"{flavour.metapackage} {record.get('Version')} depends on no kernel: {record.get('Depends')}"
        )
    release = match[1]
    return release, apt.show(f"linux-image-{release}")[0]["Version"]


def image_packages(apt: AptRoot, release: str, version: str) -> list[tuple[str, str]]:
    """(package, version) of all that holds the kernel: Debian packs the image and its modules apart since 7.1."""
    record = next(record for record in apt.show(f"linux-image-{release}") if record["Version"] == version)
    parts = re.findall(rf"\b(linux-(?:base|binary|modules)-{re.escape(release)}) \(= ([^)]+)\)", record.get("Depends", ""))
    return [(f"linux-image-{release}", version), *parts]


def _folder(release: str, version: str) -> pathlib.Path:
    # The version too: Debian rebuilds a kernel under the same release name (ABI), and then vmlinux must match.
    return cache_dir() / "kernels" / f"{release}_{version.replace(':', '_')}"


def _unpack_image(debs: Sequence[pathlib.Path], into: pathlib.Path, release: str) -> None:
    for deb in debs:
        run(["dpkg-deb", "-x", str(deb), str(into)])
    if not (into / "lib").exists():  # merged /usr inside the package
        (into / "lib").symlink_to("usr/lib")
    run(["depmod", "-b", str(into), release])


def _unpack_vmlinux(deb: pathlib.Path, into: pathlib.Path) -> None:
    """Only vmlinux out of a package of a thousand modules' debug files, and no byte is decompressed after it."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as unpacker:
        try:
            with tarfile.open(fileobj=unpacker.stdout, mode="r|") as archive:
                for member in archive:
                    if member.isfile() and re.search(r"/vmlinux(-[^/]*)?$", member.name):
                        partial = into / "vmlinux.partial"
                        with archive.extractfile(member) as source, open(partial, "wb") as target:
                            shutil.copyfileobj(source, target, 1 << 20)
                        partial.rename(into / "vmlinux")
                        return
        finally:
            unpacker.kill()
    raise DebianError(f"{deb.name} holds no vmlinux")


def _kernel_at(name: str, folder: pathlib.Path) -> Kernel:
    release = folder.name.split("_", 1)[0]
    vmlinux = folder / "vmlinux"
    in_boot = folder / "boot" / f"vmlinuz-{release}"
    return Kernel(
        name=name,
        release=release,
        # Since 7.1 it is packed beside the modules and only copied to /boot.
        bzimage=in_boot if in_boot.exists() else folder / "lib/modules" / release / "vmlinuz",
        modules=folder / "lib/modules" / release,
        vmlinux=vmlinux if vmlinux.exists() else None,
    )


def bzimage_release(bzimage: pathlib.Path) -> str:
    """The release that a bzImage carries in its own setup header."""
    with open(bzimage, "rb") as handle:
        head = handle.read(0x10000)
    if len(head) < 0x210 or head[0x202:0x206] != b"HdrS":
        raise DebianError(f"{bzimage} is no bzImage")
    offset = struct.unpack_from("<H", head, 0x20E)[0] + 0x200
    return head[offset : head.index(b"\0", offset)].split(b" ")[0].decode("ascii")


def kernel_from_environment() -> Kernel | None:
    """KERNEL=, MODULES= and, for the judges that read debug symbols, VMLINUX=: any kernel, on any distribution."""
    image = os.environ.get("KERNEL")
    if not image:
        return None
    bzimage = pathlib.Path(image).resolve()
    release = bzimage_release(bzimage)
    tree = pathlib.Path(os.environ.get("MODULES") or f"/lib/modules/{release}").resolve()
    candidates = (tree, tree / release, tree / "lib/modules" / release)
    modules = next((path for path in candidates if (path / "modules.dep").exists()), None)
    if modules is None:
        raise DebianError(f"MODULES={tree}: no modules.dep of {release} there (run depmod)")
    if modules.name != release or modules.parent.name != "modules":
        raise DebianError(f"{modules}: expected a folder .../lib/modules/{release}")
    vmlinux = os.environ.get("VMLINUX")
    return Kernel("environment", release, bzimage, modules, pathlib.Path(vmlinux) if vmlinux else None)


def kernel(name: str, debug: bool = False) -> Kernel:
    """The newest kernel of that name, fetched at most once; with `debug` also its vmlinux with debug information."""
    flavour = FLAVOURS.get(name)
    if flavour is None:
        raise DebianError(f"no kernel is called {name}; there are: {', '.join(FLAVOURS)}")
    with locked(f"kernel-{name}"):
        apt = AptRoot(cache_dir() / "apt" / name, flavour)
        apt.update()
        release, version = newest(apt, flavour)
        folder = _folder(release, version)
        if not folder.exists():
            folder.parent.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as scratch:
                work = pathlib.Path(scratch)
                tree = work / "tree"
                tree.mkdir()
                debs = [apt.download(*package, work) for package in image_packages(apt, release, version)]
                _unpack_image(debs, tree, release)
                tree.chmod(0o755)
                tree.rename(folder)
    if debug:
        with locked(f"vmlinux-{name}"):
            if not (folder / "vmlinux").exists():
                dbg = f"linux-image-{release}-dbg"
                source = {record["Version"]: record for record in apt.show(dbg)}
                # The image is signed separately and may carry a "+b1"-like suffix that its debug package lacks.
                wanted = version if version in source else next(iter(source))
                with tempfile.TemporaryDirectory(prefix=".dbg-", dir=folder.parent) as scratch:
                    deb = apt.download(dbg, wanted, pathlib.Path(scratch))
                    say(f"unpacking vmlinux of {release}")
                    _unpack_vmlinux(deb, folder)
    return _kernel_at(name, folder)


def headers(name: str) -> pathlib.Path:
    """What `make -C` takes to build a module for the newest kernel of that name; fetched at most once."""
    with locked(f"headers-{name}"):
        apt = AptRoot(cache_dir() / "apt" / name, FLAVOURS[name])
        apt.update()
        release, version = newest(apt, FLAVOURS[name])
        package = f"linux-headers-{release}"
        folder = cache_dir() / "headers" / f"{release}_{version.replace(':', '_')}"
        build = folder / "usr/src" / package
        if not build.exists():
            folder.parent.mkdir(exist_ok=True)
            depends = re.findall(r"\blinux-(?:headers|kbuild)-[^ ,]+", apt.show(package)[0]["Depends"])
            with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as scratch:
                work = pathlib.Path(scratch)
                for part in (package, *depends):
                    deb = apt.download(part, apt.show(part)[0]["Version"], work)
                    run(["dpkg-deb", "-x", str(deb), str(work / "tree")])
                # The packages' own links are relative, but this file names the other package by its path.
                makefile = work / "tree/usr/src" / package / "Makefile"
                text = makefile.read_text(encoding="ascii")
                makefile.write_text(text.replace(" /usr/src/", f" {folder}/usr/src/"), encoding="ascii")
                (work / "tree").chmod(0o755)
                (work / "tree").rename(folder)
    return build


def main() -> int:
    """The command line of the module's own text above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    fetch = commands.add_parser("kernel", help="fetch a kernel and print where it is")
    fetch.add_argument("name", choices=FLAVOURS)
    fetch.add_argument("--debug", action="store_true", help="also vmlinux with debug information")
    commands.add_parser("list", help="the known names")
    options = parser.parse_args()
    try:
        if options.command == "list":
            print("\n".join(FLAVOURS))
            return 0
        found = kernel(options.name, options.debug)
    except DebianError as error:
        print(f"debian: {error}", file=sys.stderr)
        return 1
    print(f"release={found.release}\nbzimage={found.bzimage}\nmodules={found.modules}")
    print(f"vmlinux={found.vmlinux or ''}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
