# SPDX-License-Identifier: GPL-2.0-or-later
"""
libkdumpfile's own generator of KDUMP files, which shares no line with ours: built from Debian's source package in the cache
folder, never in the tree.
"""
import functools
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / 'qemu'))
import debian  # noqa: E402

PACKAGE, SUITE = 'libkdumpfile', 'trixie'
SOURCES = ('mkdiskdump.c', 'param.c', 'data.c', 'slurp.c')
CODECS = {'ZLIB': 'z', 'LZO': 'lzo2', 'SNAPPY': 'snappy', 'ZSTD': 'zstd'}
UTS = {'sysname': 'Linux', 'nodename': 'node', 'release': '3.4.5-test', 'version': '#1 SMP test', 'domainname': '(none)'}


class Missing(RuntimeError):
    """It cannot be had here; the message says why, in one line."""


class SourceRoot(debian.AptRoot):
    """apt that knows of source packages."""

    @staticmethod
    def _sources(flavour):
        return debian.AptRoot._sources(flavour).replace('Types: deb\n', 'Types: deb-src\n')


def _fetch(folder):
    apt = SourceRoot(debian.cache_dir() / 'apt' / f'{PACKAGE}-source', debian.Flavour((SUITE,)))
    apt.update()
    # What upstream released; Debian's own files are not needed for it.
    debian.run(['apt-get', '-q', 'source', '--download-only', '--tar-only', PACKAGE], env=apt.env, cwd=folder)
    found = sorted(folder.glob('*.orig.tar.*'))
    if len(found) != 1:
        raise debian.DebianError(f'apt-get source {PACKAGE} left {len(found)} archives')
    return found[0]


def _build(archive, work, dest):
    """The generator needs no more than four files of the tests. It fails, rather than skips, where these do not compile."""
    work.mkdir()
    debian.run(['tar', '-C', str(work), '--no-same-owner', '-xf', str(archive)])
    top = next(p for p in work.iterdir() if p.is_dir())
    include = work / 'include'
    (include / 'libkdumpfile').mkdir(parents=True)
    (include / 'config.h').write_text(''.join(f'#define USE_{name} 1\n' for name in CODECS))
    # A public header of the library, whose version does not matter here.
    header = (top / 'include/libkdumpfile/addrxlat.h.in').read_text()
    (include / 'libkdumpfile/addrxlat.h').write_text(re.sub('@[A-Z_]+@', '0', header))
    debian.run(['gcc', '-O1', '-w', '-D_GNU_SOURCE', f'-I{top / "tests"}', f'-I{include}', '-o', str(dest),
                *(str(top / 'tests' / name) for name in SOURCES), *(f'-l{lib}' for lib in CODECS.values())])


@functools.cache
def program():
    """Its path; Missing where the source cannot be had."""
    with debian.locked(PACKAGE):
        dest = debian.cache_dir() / PACKAGE / 'mkdiskdump'
        if not dest.exists():
            dest.parent.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(dir=dest.parent) as work:
                work = pathlib.Path(work)
                try:
                    archive = _fetch(work)
                except (debian.DebianError, OSError) as error:
                    raise Missing(f'the source of {PACKAGE} cannot be had: {str(error).splitlines()[0]}') from error
                _build(archive, work / 'tree', work / 'mkdiskdump')
                os.replace(work / 'mkdiskdump', dest)
        return dest


def make(path, pages, *, machine='x86_64', arch=None, version=6, block_size=4096, max_mapnr=0x200, **more):
    """
    @pages: {pfn: (how, bytes of a page)}; how is raw, zlib, lzo, snappy, zstd or exclude. @more: further parameters, as
    start_pfn or flattened='yes'.
    """
    data = path.with_name(path.name + '.data')
    with open(data, 'w') as f:
        for pfn, (how, raw) in sorted(pages.items()):
            f.write(f'@{pfn * block_size:#x} {how}\n')
            if how != 'exclude':
                rest = raw.lstrip(raw[:1])
                f.write(f'{raw[0]:02x}*{len(raw) - len(rest)} {rest.hex(" ")}\n')
    params = {'arch_name': arch or machine, 'version': version, 'block_size': block_size, 'max_mapnr': max_mapnr, 'sub_hdr_size': 1,
              'nr_cpus': 1, **{f'uts.{k}': v for k, v in UTS.items()}, 'uts.machine': machine, **more, 'DATA': data}
    done = subprocess.run([program(), path], input='\n'.join(f'{k} = {v}' for k, v in params.items()) + '\n', text=True, capture_output=True,
                          timeout=60)
    data.unlink()
    assert done.returncode == 0, done.stderr
    return path
