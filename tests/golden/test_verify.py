# SPDX-License-Identifier: GPL-2.0-or-later
"""
verify: good dumps of several writers are good; each broken rule is found, named, and placed; and the readers that verify
names do stumble, the others do not (libkdumpfile, and makedumpfile filtering the dump again).
"""
import json
import os
import random
import re
import shutil
import struct
import subprocess
import zlib

import pytest

import brokendumps as bd
import elfcore
import judges
import vmcore
from kdump import COMPRESSION, Flattened, Kdump

PAGE = 4096
SUB = PAGE
READERS = {'crash', 'drgn', 'libkdumpfile', 'makedumpfile'}


class Verdict:
    def __init__(self, done):
        self.code, self.stderr = done.returncode, done.stderr.decode(errors='replace')
        assert self.code in (0, 1), (self.code, self.stderr)
        assert not self.stderr, self.stderr
        self.report = json.loads(done.stdout)
        self.findings = {f['id']: f for f in self.report['findings']}
        assert len(self.findings) == len(self.report['findings'])
        assert self.code == (1 if self.of('error') else 0)
        assert self.report['verdict'] == ('faulty' if self.code else 'good')
        assert self.report['errors'] == len(self.of('error')) and self.report['warnings'] == len(self.of('warning'))

    def of(self, *severities):
        return {i for i, f in self.findings.items() if f['severity'] in severities}

    def breaks(self):
        return set(self.report['breaks'])

    def pfns(self, rule):
        """All page frames of a finding, as far as they are listed."""
        return {p for place in self.findings[rule]['places'] for p in range(*place['pfns'])}

    def __repr__(self):
        return json.dumps(self.report, indent=1) + self.stderr


def run(binary, *argv):
    return subprocess.run([binary, 'verify', *map(str, argv)], capture_output=True, env=judges.environment(), timeout=100)


def verify(binary, path):
    return Verdict(run(binary, '-q', '--json', path))


def made(scratch, src, *options, name='made'):
    """What makedumpfile makes of @src."""
    path = scratch / name
    if '-F' in options:
        with open(path, 'wb') as f:
            done = subprocess.run(['makedumpfile', *options, src], stdout=f, stderr=subprocess.PIPE, timeout=100)
    else:
        done = subprocess.run(['makedumpfile', '-f', *options, src, str(path)], capture_output=True, timeout=100)
    assert done.returncode == 0, done
    return path


needs_makedumpfile = pytest.mark.skipif(not shutil.which('makedumpfile'), reason='makedumpfile is not installed')


# Good ones.


def check_good(v, machine, level):
    assert v.code == 0 and not v.of('error', 'warning'), v
    assert v.report['phys_base_proved'] and v.report['breaks'] == []
    pages = v.report['pages']
    assert pages['looked_at'] and pages['stored'] == pages['good'], v
    if level is not None:
        assert pages['stored'] == len(machine.kept(level))


@needs_makedumpfile
@pytest.mark.parametrize('options', (('-c', '-d', '31'), ('-l', '-d', '31'), ('-d', '0'), ('-c', '-d', '1', '-F'), ('-E', '-d', '31')),
                         ids=' '.join)
def test_makedumpfiles_dumps_are_good(sanitized, cores, scratch, options):
    m, src = cores.standard(style='6.1')
    v = verify(sanitized, made(scratch, src, *options))
    check_good(v, m, 31 if options == ('-c', '-d', '31') or options == ('-l', '-d', '31') else None)
    assert v.of('note') <= {'flat-order', 'elf-filtered', 'elf-overlap'}
    assert v.report['flattened'] == ('-F' in options) and v.report['format'] == ('elf' if '-E' in options else 'kdump')


@pytest.mark.parametrize('codec', COMPRESSION)
def test_own_dumps_are_good(sanitized, cores, scratch, codec):
    m, src = cores.standard(style='6.12', peculiar=True)
    assert judges.capture(sanitized, src, scratch / 'out', codec, 31).code == 0
    v = verify(sanitized, scratch / 'out')
    check_good(v, m, 31)
    assert v.of('note') == ({'codec-rare'} if codec in ('snappy', 'zstd') else set())
    with open(scratch / 'stream', 'wb') as f:
        assert judges.capture(sanitized, src, '-', codec, 31, stdout=f).code == 0
    v = verify(sanitized, scratch / 'stream')
    check_good(v, m, 31)
    assert 'main header last' in v.findings['flat-order']['text']


@pytest.mark.parametrize('layout', ('standard', 'ragged', 'split', 'short_file'))
def test_cores_are_good(sanitized, cores, scratch, layout):
    m = cores.machine(style='6.1')
    src = elfcore.write(scratch / 'src', getattr(elfcore, layout)(m), m.notes(), align=1 if layout == 'split' else PAGE)
    v = verify(sanitized, src)
    check_good(v, m, None)
    assert v.of('note') == {'standard': {'elf-overlap'}, 'short_file': {'elf-overlap', 'elf-filtered'}}.get(
        layout, {'elf-overlap', 'elf-unaligned'})


@needs_makedumpfile
def test_parts_of_a_split_set(sanitized, cores, scratch):
    m, src = cores.standard(style='6.1')
    parts = [scratch / f'part{i}' for i in range(3)]
    done = subprocess.run(['makedumpfile', '-c', '-d', '31', '--split', src, *map(str, parts)], capture_output=True, timeout=100)
    assert done.returncode == 0, done
    stored = 0
    for part in parts:
        v = verify(sanitized, part)
        assert v.code == 0 and not v.of('warning'), v
        assert 'split-part' in v.findings
        stored += v.report['pages']['good']
    assert stored == len(m.kept(31))


# One rule broken at a time, in a dump of makedumpfile's.


class Patient:
    """A good dump, its parts, and where a compressed and a raw page of it are."""

    def __init__(self, path):
        self.raw = path.read_bytes()
        self.k = k = Kdump(self.raw)
        middle = k.pfns[len(k.pfns) // 3:]
        self.zlib_pfn = next(p for p in middle if k.desc(p)[2] == 1)
        self.raw_pfn = next(p for p in middle if k.desc(p)[2] == 0 and k.desc(p)[0] != k.data_off)
        self.dropped = next(p for p in sorted(k.ram) if p > self.zlib_pfn and p not in k.stored)
        self.vmcoreinfo_note = self.raw.index(b'VMCOREINFO\0', k.notes_off)

    def desc_at(self, pfn):
        return self.k.desc_off + 24 * self.k.index[pfn]


@pytest.fixture(scope='module')
def patient(cores, tmp_path_factory):
    if not shutil.which('makedumpfile'):
        pytest.skip('makedumpfile is not installed')
    _, src = cores.standard(style='6.1')
    return Patient(made(tmp_path_factory.mktemp('patient'), src, '-c', '-d', '31'))


def put(offset, code, *values):
    def change(p, raw):
        struct.pack_into(code, raw, offset, *values)
    return change


def text(offset, length, value=b''):
    def change(p, raw):
        raw[offset:offset + length] = value.ljust(length, b'\0')
    return change


def at_desc(offset, code, *values, kind='zlib_pfn'):
    def change(p, raw):
        struct.pack_into(code, raw, p.desc_at(getattr(p, kind)) + offset, *values)
    return change


def at_note(offset, code, *values, number=0):
    """Within note @number, of two NT_PRSTATUS of 356 bytes each and VMCOREINFO."""
    def change(p, raw):
        struct.pack_into(code, raw, p.k.notes_off + 356 * number + offset, *values)
    return change


def both(*changes):
    def change(p, raw):
        for c in changes:
            c(p, raw)
    return change


def prstatus_of_i386(p, raw):
    """As QEMU's of a CPU that is not in 64-bit mode; a note that nobody knows fills the room."""
    at = p.k.notes_off + 20 + 144
    struct.pack_into('<I', raw, p.k.notes_off + 4, 144)
    struct.pack_into('<III', raw, at, 4, 192 - 16, 99)
    raw[at + 12:at + 16] = b'XYZ\0'


def rename_vmcoreinfo(p, raw):
    raw[p.vmcoreinfo_note:p.vmcoreinfo_note + 10] = b'VMCOREINFX'


def other_vmcoreinfo(p, raw):
    struct.pack_into('<q', raw, SUB + 32, len(raw))
    raw += p.k.vmcoreinfo().replace(b'SYMBOL(mem_section)=ff', b'SYMBOL(mem_section)=fe')


def clear_bitmap1(p, raw):
    half = p.k.bitmap_blocks * PAGE // 2
    raw[p.k.bitmap_off:p.k.bitmap_off + half] = bytes(half)


def flip(number, pfn):
    def change(p, raw):
        n = p.k.max_mapnr + 3 if pfn == 'beyond' else getattr(p, pfn)
        raw[p.k.bitmap_off + number * p.k.bitmap_blocks * PAGE // 2 + n // 8] ^= 1 << n % 8
    return change


def damage(p, raw):
    off, size, _, _ = p.k.desc(p.zlib_pfn)
    raw[off + 2:off + size] = random.Random(1).randbytes(size - 2)


def not_smaller(p, raw):
    packed = zlib.compress(p.k.page(p.zlib_pfn), 1)
    struct.pack_into('<qII', raw, p.desc_at(p.zlib_pfn), len(raw), PAGE, 1)
    raw += packed.ljust(PAGE, b'\0')


def larger_bitmaps(p, raw):
    """One block more each, everything behind them moved."""
    half = p.k.bitmap_blocks * PAGE // 2
    struct.pack_into('<I', raw, 436, p.k.bitmap_blocks + 2)
    end = p.k.bitmap_off + 2 * half
    raw[end:end] = bytes(PAGE)
    raw[end - half:end - half] = bytes(PAGE)
    for i in range(len(p.k.pfns)):
        at = p.k.desc_off + 2 * PAGE + 24 * i
        struct.pack_into('<q', raw, at, struct.unpack_from('<q', raw, at)[0] + 2 * PAGE)


def split_from(start):
    return both(put(SUB + 12, '<i', 1), put(SUB + 16, '<QQ', start, 1 << 40), put(SUB + 80, '<QQ', start, 1 << 40))


def hex_phys_base(p, raw):
    told = int(re.search(rb'NUMBER\(phys_base\)=(-?\d+)', p.k.vmcoreinfo())[1])
    value = int(str(told), 16) & (1 << 64) - 1
    assert value != told & (1 << 64) - 1
    struct.pack_into('<Q', raw, SUB, value)


def cut(where):
    def change(p, raw):
        del raw[getattr(p.k, where) + 100:]
    return change


CD, DL, CM = {'crash', 'drgn'}, {'drgn', 'libkdumpfile'}, {'crash', 'makedumpfile'}
CDL, CDM, M, C = CD | DL, CD | CM, {'makedumpfile'}, {'crash'}
NOBODY = set()

# name: (change, {id of each error and warning: readers})
MUTATIONS = {
    'version 7': (put(8, '<i', 7), {'version-new': NOBODY}),
    'version 3': (put(8, '<i', 3), {'version-old': DL}),
    'no sysname': (text(12, 65), {'uts-empty': DL}),
    'no release': (text(142, 65), {'uts-empty': DL}),
    'no machine': (text(272, 65), {'uts-empty': DL}),
    'another system': (text(12, 65, b'OpenBSD'), {'uts-sysname': DL}),
    'version without end': (text(207 + 64, 1, b'x'), {'uts-unterminated': DL}),
    'domain without end': (text(337 + 64, 1, b'x'), {'uts-unterminated-host': NOBODY}),
    'another release': (text(142, 65, b'5.10.0'), {'release-differs': NOBODY}),
    'tv_usec 4096': (put(416, '<q', 4096), {'tv-usec': DL}),
    'tv_usec 262144': (put(416, '<q', 262144), {'tv-usec': DL}),
    'tv_usec 262143': (put(416, '<q', 262143), {}),
    'unknown status': (put(424, '<I', 0x401), {'status-unknown': NOBODY}),
    'incomplete': (put(424, '<I', 9), {'incomplete': C}),
    'vmemmap': (put(424, '<I', 0x11), {'vmemmap-excluded': C}),
    'empty part': (put(SUB + 12, '<i', 1), {'split-empty': CDL}),
    'no CPUs': (put(460, '<i', 0), {'nr-cpus-zero': C}),
    'max_mapnr 32': (put(440, '<I', 5), {'max-mapnr-32': NOBODY}),
    'dump_level': (put(SUB + 8, '<i', 32), {'dump-level': NOBODY}),
    'eraseinfo': (put(SUB + 64, '<qq', 1 << 40, 8), {'eraseinfo-outside': M}),
    'no pointer': (put(SUB + 32, '<qq', 0, 0), {'vmcoreinfo-no-pointer': CM}),
    'pointer outside': (put(SUB + 32, '<q', 1 << 40), {'vmcoreinfo-outside': CM}),
    'no note': (rename_vmcoreinfo, {'vmcoreinfo-no-note': DL}),
    'neither': (both(rename_vmcoreinfo, put(SUB + 32, '<qq', 0, 0)), {'vmcoreinfo-missing': READERS}),
    'two kernels': (other_vmcoreinfo, {'vmcoreinfo-differs': CM}),
    'no notes': (put(SUB + 48, '<qq', 0, 0), {'notes-missing': DL, 'vmcoreinfo-no-note': DL}),
    'small PRSTATUS': (prstatus_of_i386, {'prstatus-size': CDL}),
    'no PRSTATUS': (both(at_note(8, '<I', 99), at_note(8, '<I', 99, number=1)), {'prstatus-missing': DL}),
    'phys_base 0': (put(SUB, '<q', 0), {'phys-base': M}),
    'phys_base hex': (hex_phys_base, {'phys-base-hex': M}),
    'no bitmap 1': (clear_bitmap1, {'bitmap1-empty': C}),
    'bit missing in 1': (flip(0, 'zlib_pfn'), {'bitmap2-excess': C}),
    'bit beyond': (flip(1, 'beyond'), {'bitmap-tail': NOBODY}),
    'large bitmaps': (larger_bitmaps, {'bitmap-large': M}),
    'hole': (at_desc(0, '<qIIQ', 0, 0, 0, 0), {'desc-hole': READERS, 'holes-unmarked': NOBODY}),
    'offset 0': (at_desc(0, '<qII', 0, 4097, 0), {'desc-offset-zero': READERS}),
    'in the headers': (at_desc(0, '<q', 100), {'desc-in-headers': READERS}),
    'outside': (at_desc(0, '<q', 1 << 40), {'desc-outside': READERS}),
    'two codecs': (at_desc(12, '<I', 3), {'desc-flags': READERS}),
    'unknown codec': (at_desc(12, '<I', 0x40), {'desc-flags': READERS}),
    'size 0': (at_desc(8, '<I', 0), {'desc-size': READERS}),
    'large': (at_desc(8, '<I', PAGE + 1), {'desc-size': CM}),
    'short raw page': (at_desc(8, '<I', 4000, kind='raw_pfn'), {'desc-size': READERS}),
    'not smaller': (not_smaller, {'desc-not-smaller': NOBODY}),
    'page_flags': (at_desc(16, '<Q', 1), {}),
    'damaged': (damage, {'page-damaged': READERS}),
}
ONE_PAGE = {'desc-hole', 'desc-offset-zero', 'desc-in-headers', 'desc-outside', 'desc-flags', 'desc-size', 'desc-not-smaller',
            'page-damaged', 'bitmap2-excess'}
LOST = ONE_PAGE - {'desc-not-smaller', 'bitmap2-excess'}


def mutated(patient, name, folder):
    raw = bytearray(patient.raw)
    MUTATIONS[name][0](patient, raw)
    path = folder / 'broken'
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize('name', MUTATIONS)
def test_broken_rule(sanitized, patient, scratch, name):
    expected = MUTATIONS[name][1]
    v = verify(sanitized, mutated(patient, name, scratch))
    assert v.of('error', 'warning') == set(expected), v
    assert {i: set(v.findings[i]['breaks']) for i in expected} == expected
    for rule in ONE_PAGE & set(expected):
        assert v.pfns(rule) == {patient.raw_pfn if name == 'short raw page' else patient.zlib_pfn}
        assert v.findings[rule]['count'] == 1
    pages = v.report['pages']
    assert pages['stored'] - pages['good'] == len(LOST & set(expected))


def libkdumpfile_stumbles(path, patient, machine):
    """Does it lack anything that it finds in the good dump?"""
    try:
        f = judges.Kdumpfile(path)
        known = [f.attr(n) for n in ('arch.name', 'cpu.number', 'cpu.0.reg.rip', 'linux.uts.release',
                                     'linux.vmcoreinfo.lines.OSRELEASE', 'linux.vmcoreinfo.lines.KERNELOFFSET')]
    except Exception as e:
        return type(e).__name__
    if known[0] != 'x86_64' or known[1] != 2 or known[4].encode() not in patient.k.vmcoreinfo():
        return known
    return f.differences(patient.k.stored, machine.ram.read)


def makedumpfile_stumbles(path, patient, machine, folder):
    code, said = judges.makedumpfile(path, folder / 'again', 31)
    if code:
        return said
    k = Kdump.open(folder / 'again')
    if {pfn for pfn in k.stored if pfn < k.max_mapnr} != patient.k.stored:
        return 'other pages'
    return {pfn for pfn in patient.k.pfns if k.page(pfn) != machine.ram.read(pfn * PAGE, PAGE)}


# Where the reader takes what is not good, but would not take each such dump; or verify warns of what is merely missing.
KNOWN_LUCK = {
    'two codecs': {'libkdumpfile', 'makedumpfile'},  # both ask for zlib first, and zlib it is
}


@pytest.mark.parametrize('name', MUTATIONS)
def test_the_named_readers_stumble(patient, cores, scratch, name):
    machine, _ = cores.standard(style='6.1')
    path = mutated(patient, name, scratch)
    named = set().union(*MUTATIONS[name][1].values())
    found = {'libkdumpfile': libkdumpfile_stumbles(path, patient, machine),
             'makedumpfile': makedumpfile_stumbles(path, patient, machine, scratch)}
    stumbling = {r for r, why in found.items() if why}
    assert stumbling == named & set(found) - KNOWN_LUCK.get(name, set()), found


def test_the_good_dump_makes_no_reader_stumble(patient, cores, scratch):
    """Else the test above would prove nothing."""
    machine, _ = cores.standard(style='6.1')
    (scratch / 'good').write_bytes(patient.raw)
    assert not libkdumpfile_stumbles(scratch / 'good', patient, machine)
    assert not makedumpfile_stumbles(scratch / 'good', patient, machine, scratch)


# What breaks more than one thing.


def changed(patient, folder, change):
    raw = bytearray(patient.raw)
    change(patient, raw)
    (folder / 'broken').write_bytes(raw)
    return folder / 'broken'


def test_a_bit_too_few_and_one_too_many(sanitized, patient, scratch):
    """Both move all later descriptors by one: pages come from the wrong place, and most of them decode."""
    v = verify(sanitized, changed(patient, scratch, flip(1, 'zlib_pfn')))
    assert 'desc-count' in v.of('error') and set(v.findings['desc-count']['breaks']) == READERS
    v = verify(sanitized, changed(patient, scratch, flip(1, 'dropped')))
    assert 'desc-in-headers' in v.of('error')


@pytest.mark.parametrize('where,rules', (('desc_off', {'desc-table-cut', 'desc-outside'}), ('data_off', {'desc-outside'}),
                                         ('bitmap_off', {'bitmap-outside'})))
def test_cut_off(sanitized, patient, scratch, where, rules):
    v = verify(sanitized, changed(patient, scratch, cut(where)))
    assert v.of('error') >= rules, v
    if where != 'bitmap_off':
        assert v.report['pages']['good'] == 0
        assert sum(v.findings[r]['count'] for r in rules) == len(patient.k.pfns)
    assert v.breaks() == READERS


def test_many_damaged_pages_are_one_finding(sanitized, patient, cores, scratch):
    machine, _ = cores.standard(style='6.1')
    bad = [p for p in patient.k.pfns if patient.k.desc(p)[2] == 1 and p not in machine.structures][::2]

    def change(p, raw):
        for pfn in bad:
            struct.pack_into('<I', raw, p.desc_at(pfn) + 8, 0)
    path = changed(patient, scratch, change)
    v = verify(sanitized, path)
    assert v.of('error') == {'desc-size'} and v.findings['desc-size']['count'] == len(bad)
    assert 0 < len(v.findings['desc-size']['places']) <= 8
    assert v.report['pages']['good'] == len(patient.k.pfns) - len(bad)
    lines = run(sanitized, '-q', path).stdout.decode().splitlines()
    assert len(lines) == 3 and len(lines[1]) < 500, lines


def test_split_that_starts_off_a_word(sanitized, patient, scratch):
    first = patient.k.pfns[0] - 1 if patient.k.pfns[0] % 64 == 0 else patient.k.pfns[0]
    fields = both(put(SUB + 12, '<i', 1), put(SUB + 16, '<QQ', first, patient.k.max_mapnr),
                  put(SUB + 80, '<QQ', first, patient.k.max_mapnr))
    v = verify(sanitized, changed(patient, scratch, fields))
    assert v.of('error') == {'split-align'} and v.breaks() == C
    v = verify(sanitized, changed(patient, scratch, split_from(64)))
    assert v.of('error') == {'split-range'} and v.breaks() == READERS


def test_wrong_vmcoreinfo(sanitized, patient, scratch):
    """The page tables have the last word."""
    number = re.search(rb'NUMBER\(phys_base\)=-?(\d+)', patient.raw)[1]
    raw = patient.raw.replace(b')=-' + number, b')=-' + b'1' * len(number)).replace(b')=' + number, b')=' + b'1' * len(number))
    (scratch / 'broken').write_bytes(raw)
    v = verify(sanitized, scratch / 'broken')
    assert v.of('error') == {'phys-base-vmcoreinfo', 'phys-base'}, v
    (scratch / 'broken').write_bytes(patient.raw.replace(b'SYMBOL(_stext)=ffffffff', b'SYMBOL(_stext)=fffffffe'))
    v = verify(sanitized, scratch / 'broken')
    assert v.of('error') == {'kernel-unproved'} and not v.report['phys_base_proved']


# A hypervisor's dump.


def like_qemus(k, raw):
    """As QEMU fills the headers: no names but the machine's, no time, phys_base by its own arithmetic."""
    raw[12:402] = bytes(390)
    raw[272:278] = b'x86_64'
    struct.pack_into('<q', raw, 408, 0)
    told = int(re.search(rb'NUMBER\(phys_base\)=(-?\d+)', k.vmcoreinfo())[1])
    struct.pack_into('<Q', raw, SUB, int(str(told), 16) & (1 << 64) - 1)


@needs_makedumpfile
@pytest.mark.parametrize('negative', (False, True))
def test_hypervisors_defects(sanitized, cores, scratch, negative):
    m = cores.machine(style='6.1', negative_phys_base=negative)
    flash = elfcore.Load(0xfffc0000, b'flash' * 52000)
    src = elfcore.write(scratch / 'src', elfcore.standard(m) + [flash], m.notes())
    # No memory map that makedumpfile looks at reaches 8 GiB, where a device's memory is.
    vram = elfcore.Load(8 << 30, b'pixel' * 4096)
    far = elfcore.write(scratch / 'far', elfcore.standard(m) + [flash, vram], m.notes())
    assert judges.capture(sanitized, src, scratch / 'plain', 'zlib', 0).code == 0
    assert not verify(sanitized, scratch / 'plain').of('error', 'warning')
    assert judges.capture(sanitized, far, scratch / 'far.kdump', 'zlib', 0).code == 0
    v = verify(sanitized, scratch / 'far.kdump')
    assert v.of('error', 'warning') == {'max-mapnr-memmap'} and v.breaks() == M, v
    assert judges.makedumpfile(scratch / 'far.kdump', scratch / 'again', 31)[0] != 0
    raw = bytearray((scratch / 'far.kdump').read_bytes())
    like_qemus(Kdump(raw), raw)
    (scratch / 'outer').write_bytes(raw)
    v = verify(sanitized, scratch / 'outer')
    assert v.of('error', 'warning') == {'uts-empty', 'phys-base-hex', 'max-mapnr-memmap'}, v
    assert v.of('note') == {'no-crash-time'}
    assert v.breaks() == DL | M
    assert b'innercore repair mends it' in run(sanitized, '-q', scratch / 'outer').stdout.splitlines()[-1]


def qemu_note(rip, rsp):
    desc = bytearray(440)
    struct.pack_into('<II', desc, 0, 1, 440)
    struct.pack_into('<Q', desc, 56, rsp)
    struct.pack_into('<Q', desc, 136, rip)
    return vmcore.note(b'QEMU', 0, bytes(desc))


def test_whose_registers(sanitized, cores, scratch):
    m = cores.machine(style='6.1')
    for same in (True, False):
        vcpus = b''.join(qemu_note(0x1000 * i + 16 + (not same), 0x1000 * i + 19) for i in range(2))
        src = elfcore.write(scratch / 'src', elfcore.standard(m), m.notes() + vcpus)
        v = verify(sanitized, src)
        assert v.of('error', 'warning') == ({'prstatus-hypervisor'} if same else set()), v


# ELF.


def patch_elf(path, changes):
    with open(path, 'r+b') as f:
        for offset, code, value in changes:
            f.seek(offset)
            f.write(struct.pack(code, value))


def phdr(number, field):
    return 64 + 56 * number + {'p_type': 0, 'p_offset': 8, 'p_vaddr': 16, 'p_paddr': 24, 'p_filesz': 32, 'p_memsz': 40}[field]


@pytest.mark.parametrize('name,changes,expected', (
    ('e_ehsize', [(52, '<H', 8)], {'elf-ehsize': NOBODY}),
    ('e_flags', [(48, '<I', 1)], {'elf-incomplete': C}),
    ('note last', [(phdr(0, 'p_type'), '<I', 0)], {'elf-first-phdr': C, 'notes-missing': DL, 'vmcoreinfo-missing': READERS}),
    ('filesz', [(phdr(1, 'p_memsz'), '<Q', 4096)], {'elf-filesz': READERS}),
    ('no virtual addresses', [(phdr(i, 'p_vaddr'), '<Q', 0) for i in (1, 2, 3, 4)], {'elf-no-vaddr': {'drgn'}}),
    ('not a core', [(16, '<H', 2)], {'elf-refused': READERS}),
    ('huge', [(phdr(2, 'p_filesz'), '<Q', 1 << 40), (phdr(2, 'p_memsz'), '<Q', 1 << 40)],
     {'elf-load-outside': READERS}),
), ids=lambda v: v if isinstance(v, str) else '')
def test_elf_headers(sanitized, cores, scratch, name, changes, expected):
    _, core = cores.standard(style='6.1')
    shutil.copyfile(core, scratch / 'core')
    patch_elf(scratch / 'core', changes)
    v = verify(sanitized, scratch / 'core')
    got = v.of('error', 'warning')
    if name == 'huge':  # it lies over the loads behind it
        got -= {'kernel-unproved', 'elf-conflict'}
    assert got == set(expected), v
    assert all(set(v.findings[i]['breaks']) == expected[i] for i in expected), v


def test_qemus_elf(sanitized, cores, scratch):
    m = cores.machine(style='6.1')
    src = elfcore.write(scratch / 'src', elfcore.standard(m), m.notes(), qemu=True, ehsize=8)
    v = verify(sanitized, src)
    assert v.of('error') == {'elf-phoff'} and v.of('warning') == {'elf-ehsize', 'elf-no-vaddr'} and v.breaks() == M, v
    if shutil.which('makedumpfile'):
        assert judges.makedumpfile(src, scratch / 'out', 31)[0] != 0
    src = elfcore.write(scratch / 'bare', elfcore.standard(m), vmcore.notes(2, None))
    v = verify(sanitized, src)
    assert v.of('error') == {'vmcoreinfo-missing'} and v.breaks() == READERS


def test_truncated_core(sanitized, cores, scratch):
    m, core = cores.standard(style='6.1')
    shutil.copyfile(core, scratch / 'core')
    os.truncate(scratch / 'core', elfcore.file_offset(core, 0x100200000) + 5)
    v = verify(sanitized, scratch / 'core')
    assert v.of('error') == {'elf-load-outside'}
    assert v.report['pages'] == {'looked_at': True, 'stored': len(list(m.ram.pfns())), 'good': len(list(m.ram.pfns())) - 0x400}


def test_loads_that_contradict(sanitized, cores, scratch):
    m = cores.machine(style='6.1')
    pfn = 0x100100
    lie = elfcore.Load(pfn * PAGE, b'lie' * 100)
    v = verify(sanitized, elfcore.write(scratch / 'src', elfcore.standard(m) + [lie], m.notes()))
    assert v.of('error') == {'elf-conflict'} and v.pfns('elf-conflict') == {pfn}


# Flattened streams.


def test_flattened_faults(sanitized, patient, scratch):
    raw = patient.raw
    pieces = [(at, len(raw[at:at + 100000]), raw[at:at + 100000]) for at in range(0, len(raw), 100000)]
    stale = bytearray(raw[SUB:SUB + 104])
    stale[8] = 1

    def of(records, end=True):
        (scratch / 'stream').write_bytes(bd.flattened_with(records, end))
        return verify(sanitized, scratch / 'stream')
    v = of(pieces)
    assert not v.of('error', 'warning') and 'main header is record 1 of' in v.findings['flat-order']['text']
    v = of(pieces[1:] + pieces[:1])
    assert not v.of('error', 'warning') and 'main header last of' in v.findings['flat-order']['text']
    v = of(pieces, end=False)
    assert v.of('error', 'warning') == {'flat-no-end'} and v.breaks() == CM
    v = of([(SUB, 104, bytes(stale)), *pieces])
    assert v.of('error', 'warning') == {'flat-overlap'} and v.findings['flat-overlap']['places'] == [{'offset': SUB}]
    v = of([*pieces, (SUB, 104, raw[SUB:SUB + 104])])
    assert v.of('error', 'warning') == {'flat-overlap-same'}
    v = of(pieces + [(-2, 4, b'tail')])
    assert v.of('error') == {'flat-refused'}
    hole = bytearray(raw)
    struct.pack_into('<qIIQ', hole, patient.desc_at(patient.zlib_pfn), 0, 0, 0, 0)
    v = of([(0, len(hole), bytes(hole))])
    assert v.of('error') == {'desc-hole-flat'} and v.pfns('desc-hole-flat') == {patient.zlib_pfn}
    if shutil.which('makedumpfile'):
        of(pieces)
        code, _ = judges.rearrange(scratch / 'stream', scratch / 'back')
        assert code == 0 and (scratch / 'back').read_bytes() == raw


@needs_makedumpfile
def test_makedumpfiles_erase_writes_the_sub_header_twice(sanitized, cores, scratch):
    """-F with a filter: the record of the sub header is overwritten by a later one."""
    _, src = cores.standard(style='6.1')
    stream = made(scratch, src, '-c', '-d', '31', '-F')
    flat = Flattened(stream.read_bytes())
    assert flat.ended and not verify(sanitized, stream).of('error', 'warning')


# What people and scripts see.


def test_text(sanitized, patient, scratch):
    (scratch / 'good').write_bytes(patient.raw)
    done = run(sanitized, scratch / 'good')
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0 and len(lines) == 2 and lines[1].startswith('good: '), lines
    path = changed(patient, scratch, both(text(12, 65, b'B\x1b[31mSD'), put(SUB, '<q', 0), put(460, '<i', 0)))
    done = run(sanitized, path)
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 1 and not done.stderr
    assert all(32 <= b < 127 or b == 10 for b in done.stdout), done.stdout
    assert [line.split()[0] for line in lines[1:-1]] == ['error', 'error', 'warning']
    assert lines[-1].startswith('faulty, 2 errors and 1 warning: ')
    assert '[breaks drgn and libkdumpfile]' in lines[1] and '[breaks makedumpfile]' in lines[2]
    assert 'drgn, libkdumpfile and makedumpfile stumble, crash takes it' in lines[-1]


def test_what_is_no_dump(sanitized, tmp_path):
    (tmp_path / 'text').write_text('no dump at all\n')
    (tmp_path / 'ancient').write_bytes(b'DISKDUMP' + bytes(5000))
    (tmp_path / 'empty').touch()
    for path in ('text', 'ancient', 'empty', 'nowhere', '.'):
        done = run(sanitized, '--json', tmp_path / path)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, (path, done)
        assert str(tmp_path) in json.loads(done.stdout)['error'], done
    for argv in ([], ['a', 'b'], ['--nonsense', 'a']):
        done = run(sanitized, *argv)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and not done.stdout, done
    assert run(sanitized, '--help').returncode == 0


# Hostile files.


def goods():
    kdump = bd.kdump()
    return [kdump, bd.kdump('v3', version=3), bd.kdump('big endian', order='>', machine=b's390x'),
            bd.kdump('i386', bd.LAYOUT_I386, machine=b'i686'), bd.flattened(kdump), bd.elf(), bd.elf('elf qemu', qemu=True)]


@pytest.mark.parametrize('good', goods(), ids=lambda g: g.name)
def test_hostile(sanitized, tmp_path, good):
    """Any verdict will do, but one there must be, or one clear line."""
    everything = bool(os.environ.get('INNERCORE_BROKEN_ALL'))
    files = list(good.truncations()) + list(good.extremes()) + list(good.flips(200 if everything else 10))
    if not everything:
        files = random.Random(4).sample(files, min(len(files), 60))
    for name, make in files:
        (tmp_path / 'dump').write_bytes(make())
        done = run(sanitized, '-q', '--json', tmp_path / 'dump')
        assert done.returncode in (0, 1, 2), (name, done)
        if done.returncode == 2:
            assert re.fullmatch(rb'innercore: error: \S.*\n', done.stderr) and not done.stdout, (name, done)
        else:
            assert not done.stderr, (name, done)
            json.loads(done.stdout)


def test_claims_without_end_cost_no_time(sanitized, tmp_path):
    kdump = bd.kdump()
    raw = bytearray(kdump.raw[:2 * PAGE])
    struct.pack_into('<iI', raw, 432, 1, 1 << 21)
    struct.pack_into('<Q', raw, PAGE + 96, 1 << 35)
    ones = (2 * PAGE + (1 << 32), 1 << 20, b'\xff' * (1 << 20))  # of the second bitmap
    for records in ([(0, len(raw), bytes(raw)), (1 << 45, 4, b'tail')], [(0, len(raw), bytes(raw)), ones, (1 << 45, 4, b'tail')],
                    [(0, len(raw), bytes(raw)), ones]):
        (tmp_path / 'dump').write_bytes(bd.flattened_with(records))
        assert run(sanitized, '-q', tmp_path / 'dump').returncode == 1
    # A core of a hundred thousand loads that all have the same megabytes.
    notes = bd.make_notes()
    loads, data = 60000, 8 << 20
    head = elfcore.EHDR.pack(b'\x7fELF\2\1\1' + bytes(9), 4, 62, 1, 0, 64, 0, 0, 64, 56, loads + 1, 0, 0, 0)
    start = 64 + 56 * (loads + 1)
    phdrs = elfcore.PHDR.pack(4, 0, start, 0, 0, len(notes), len(notes), 0) + b''.join(
        elfcore.PHDR.pack(1, 7, start + len(notes), 0, i * data // 2, data, data, 0) for i in range(loads))
    (tmp_path / 'core').write_bytes(head + phdrs + notes + bytes(data))
    v = verify(sanitized, tmp_path / 'core')
    assert 'elf-not-all-read' in v.findings
