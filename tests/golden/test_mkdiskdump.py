# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of libkdumpfile's own generator: what libkdumpfile reads of them is what innercore reads."""
import json
import random
import subprocess
import time

import pytest

import elfcore
import judges
import mkdiskdump
import pairs
import vmcore

ARCHES = {  # name: what the generator calls it, uname -m, page size, bits, byte order
    'x86_64': ('x86_64', 'x86_64', 4096, 64, 'little'), 'ia32': ('ia32', 'i686', 4096, 32, 'little'),
    's390x': ('s390x', 's390x', 4096, 64, 'big'), 'ppc64': ('ppc64', 'ppc64', 65536, 64, 'big'),
}
HOW = ('raw', 'zlib', 'lzo', 'snappy', 'zstd')


@pytest.fixture(scope='module', autouse=True)
def generator():
    try:
        mkdiskdump.program()
    except mkdiskdump.Missing as error:
        pytest.skip(str(error))


def some_pages(page_size, seed=1, pfns=range(0x100, 0x1f0, 9)):
    rng = random.Random(seed)
    out = {}
    for i, pfn in enumerate(pfns):
        raw = bytes([i + 1]) * (page_size - 64) + rng.randbytes(64)
        out[pfn] = ('exclude', None) if i % 11 == 7 else (HOW[i % len(HOW)], raw)
    return out


def as_libkdumpfile_reads(path, pfns, page_size):
    """{pfn: bytes}, without what it has no data for"""
    kdf = judges.Kdumpfile(path)
    pages = {pfn: kdf.read(pfn * page_size, page_size) for pfn in pfns}
    assert all(isinstance(raw, bytes) or raw == 'NoDataException' for raw in pages.values()), pages
    return {pfn: raw for pfn, raw in pages.items() if isinstance(raw, bytes)}


def check(innercore, scratch, inner, truth, pages, page_size):
    """Hold @inner against an ELF core of just what libkdumpfile read."""
    assert truth == {pfn: raw for pfn, (how, raw) in pages.items() if how != 'exclude'}
    note = vmcore.note(b'VMCOREINFO', 0, f'PAGESIZE={page_size}\n'.encode())
    outer = elfcore.write(scratch / 'truth', [elfcore.Load(pfn * page_size, raw) for pfn, raw in sorted(truth.items())], note)
    r = pairs.compare(innercore, inner, outer, '-f')
    assert r.pages['equal'] == r.pages['common'] == len(truth), r
    assert r.pages['inner_only'] == r.pages['outer_only'] == r.pages['inner_unreadable'] == 0, r
    assert r.audit['dropped'] == len(pages) - len(truth), r
    wrong = max(truth)
    truth = {**truth, wrong: truth[wrong][:-1] + bytes([truth[wrong][-1] ^ 1])}
    elfcore.write(outer, [elfcore.Load(pfn * page_size, raw) for pfn, raw in sorted(truth.items())], note)
    assert pairs.compare(innercore, inner, outer, '-f').pages['differ_unexplained'] == 1


def info(innercore, path):
    done = subprocess.run([innercore, 'info', '--json', path], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize('version', (3, 6))
@pytest.mark.parametrize('name', ARCHES)
def test_every_machine_and_version(innercore, scratch, name, version):
    arch, machine, page_size, bits, order = ARCHES[name]
    pages = some_pages(page_size, seed=version)
    path = mkdiskdump.make(scratch / 'dump', pages, arch=arch, machine=machine, block_size=page_size, version=version,
                           phys_base=0x3c0000)
    check(innercore, scratch, path, as_libkdumpfile_reads(path, range(0x200), page_size), pages, page_size)
    i = info(innercore, path)
    kdf = judges.Kdumpfile(path)
    assert (i['bits'], i['byte_order'], i['version'], i['flattened']) == (bits, order, version, False)
    assert i['page_size'] == page_size == kdf.attr('arch.page_size')
    assert i['bits'] == 8 * kdf.attr('arch.ptr_size')
    assert i['machine'] == machine == kdf.attr('linux.uts.machine')
    assert i['release'] == kdf.attr('linux.uts.release') == mkdiskdump.UTS['release']
    assert i['header_phys_base'] == kdf.attr('linux.phys_base') == 0x3c0000
    assert i['pages']['stored'] == sum(how != 'exclude' for how, _ in pages.values())


@pytest.mark.parametrize('name', ARCHES)
def test_flattened(innercore, scratch, name):
    """libkdumpfile of Debian 12 reads no flattened file: it reads the same pages as a plain one."""
    arch, machine, page_size, _, _ = ARCHES[name]
    pages = some_pages(page_size, seed=3)
    options = dict(arch=arch, machine=machine, block_size=page_size)
    flat = mkdiskdump.make(scratch / 'flat', pages, flattened='yes', **options)
    plain = mkdiskdump.make(scratch / 'plain', pages, **options)
    assert info(innercore, flat)['flattened'] is True
    check(innercore, scratch, flat, as_libkdumpfile_reads(plain, range(0x200), page_size), pages, page_size)


def make_set(folder, pages, cuts, **options):
    """The generator writes the time into each file, and those of a set have one: all within one second."""
    folder.mkdir()
    for _ in range(20):
        second = int(time.time())
        files = [mkdiskdump.make(folder / f'part{i}', pages, split=1, start_pfn=a, end_pfn=b, **options)
                 for i, (a, b) in enumerate(zip(cuts, cuts[1:]))]
        if int(time.time()) == second:
            return files
    pytest.skip('this machine is too slow to write a set in one second')


@pytest.mark.parametrize('flat', ('no', 'yes'))
@pytest.mark.parametrize('name, version', (('x86_64', 6), ('x86_64', 3), ('ia32', 6), ('s390x', 6), ('ppc64', 6)))
def test_split(innercore, scratch, name, version, flat):
    arch, machine, page_size, _, _ = ARCHES[name]
    pages = some_pages(page_size, seed=4)
    cuts = (0, 0x140, 0x180, 0x181, 0x200)
    options = dict(arch=arch, machine=machine, block_size=page_size, version=version)
    files = make_set(scratch / 'set', pages, cuts, flattened=flat, **options)
    plain = make_set(scratch / 'plain', pages, cuts, **options) if flat == 'yes' else files
    truth = {}
    for path, start, end in zip(plain, cuts, cuts[1:]):
        truth.update(as_libkdumpfile_reads(path, range(start, end), page_size))
    check(innercore, scratch, scratch / 'set', truth, pages, page_size)
    assert info(innercore, scratch / 'set')['split']['files'] == 4
    files[1].unlink()
    done = pairs.run(innercore, scratch / 'set', scratch / 'truth')
    assert done.returncode == 2 and b'is missing' in done.stderr


def test_captured_again(innercore, scratch):
    """A dump of this machine's kind goes through our writer, and libkdumpfile reads the same of it."""
    pages = some_pages(4096, seed=5)
    path = mkdiskdump.make(scratch / 'dump', pages, version=3)
    assert judges.capture(innercore, path, scratch / 'again', 'none', 0).code == 0
    truth = as_libkdumpfile_reads(path, range(0x200), 4096)
    assert as_libkdumpfile_reads(scratch / 'again', range(0x200), 4096) == truth
