# SPDX-License-Identifier: GPL-2.0-or-later
"""repair on made-up dumps: a hypervisor's without VMCOREINFO, decoys in memory, partial dumps, cuts at any byte."""
import json
import random
import resource
import struct
import subprocess
import zlib

import pytest

import brokendumps as bd
import elfcore
import judges
import pairs
import symbols
import vmcore
from kdump import PAGE, Kdump

DECOY_AREA = 0x100000000  # of ranges above 4 GiB; their pages mean nothing to repair


class Outer:
    """A machine whose memory holds its VMCOREINFO, as a kernel's does: at the start of a page."""

    def __init__(self, folder, innercore):
        self.m = vmcore.Machine()
        self.folder, self.innercore = folder, innercore
        self.text = self.m.vmcoreinfo
        self.free = [pfn for pfn in sorted(self.m.ram.pfns()) if pfn * PAGE >= DECOY_AREA and pfn not in self.m.structures]
        self.kept = [(pfn, self.m.ram.read(pfn * PAGE, PAGE)) for pfn in self.free]

    def plant(self, *texts):
        for pfn, raw in self.kept:
            self.m.ram.write(pfn * PAGE, raw)
        for pfn, text in zip(self.free, texts):
            self.m.ram.write(pfn * PAGE, text[:PAGE].ljust(PAGE, b'\0'))

    def elf(self, *texts):
        self.plant(*texts)
        return elfcore.write(self.folder / 'outer.elf', elfcore.standard(self.m), vmcore.notes(2, None), qemu=True)

    def kdump(self, *texts):
        """Seekable, with what QEMU leaves out left out."""
        path = self.folder / 'outer.kdump'
        result = judges.capture(self.innercore, self.elf(*texts), path, 'zlib', 0, '-f')
        assert result.code == 0, result
        raw = bytearray(path.read_bytes())
        raw[12:12 + 4 * 65] = bytes(4 * 65)
        raw[PAGE:PAGE + 8] = struct.pack('<q', 0x106954752)
        path.write_bytes(raw)
        return path


@pytest.fixture(scope='module')
def outer(tmp_path_factory, innercore):
    return Outer(tmp_path_factory.mktemp('outer'), innercore)


def repair(binary, *argv):
    done = subprocess.run([binary, 'repair', '--json', *map(str, argv)], capture_output=True, env=judges.environment(),
                          timeout=100)
    assert done.returncode in (0, 2, 3), done
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr.decode()


def check_repaired(m, path):
    """By readers that are not ours."""
    k = judges.Kdumpfile(path)
    assert k.attr('arch.name') == 'x86_64'
    assert k.attr('linux.uts.release') == m.uts[2]
    assert k.attr('linux.phys_base') == m.phys_base & (1 << 64) - 1
    assert k.attr('linux.vmcoreinfo.raw').encode() == m.vmcoreinfo if isinstance(k.attr('linux.vmcoreinfo.raw'), str) \
        else bytes(k.attr('linux.vmcoreinfo.raw')) == m.vmcoreinfo
    sample = random.Random(1).sample(sorted(m.ram.pfns()), 500)
    assert k.differences(sample, m.ram.read) == {}
    d = Kdump.open(path)
    assert d.phys_base == m.phys_base and d.vmcoreinfo() == m.vmcoreinfo and d.uts[:5] == list(m.uts[:5])


# --- finding VMCOREINFO --------------------------------------------------------------------------------------------


def moved(text, by=0x200000):
    """The same kernel's of another boot: KASLR put it elsewhere."""
    lines = []
    for line in text.decode().splitlines():
        key, _, value = line.partition('=')
        if key.startswith('SYMBOL(') and int(value, 16) >= vmcore.START_KERNEL_MAP:
            value = f'{int(value, 16) + by:x}'
        elif key == 'KERNELOFFSET':
            value = f'{int(value, 16) + by:x}'
        lines.append(f'{key}={value}\n')
    return ''.join(lines).encode()


def edited(text, key, value):
    out = [f'{key}={value}' if line.startswith(key + '=') else line for line in text.decode().splitlines()]
    assert '\n'.join(out).encode() + b'\n' != text
    return '\n'.join(out).encode() + b'\n'


def test_found_without_help(outer, innercore, scratch):
    out = scratch / 'out'
    code, report, stderr = repair(innercore, '-z', 'zlib', '-o', out, outer.elf(outer.text))
    assert code == 0, stderr
    assert report['vmcoreinfo_from'] == 'guest memory' and report['proved']
    check_repaired(outer.m, out)


@pytest.mark.parametrize('name', ['another boot', 'no such release', 'another offset', 'cut', 'wrong phys_base'])
def test_decoy_is_rejected(outer, innercore, scratch, name):
    """Alone it proves nothing; beside the true one it changes nothing."""
    decoy = {'another boot': moved(outer.text), 'no such release': edited(outer.text, 'OSRELEASE', '6.1.0-other'),
             'another offset': edited(outer.text, 'KERNELOFFSET', '31234567'), 'cut': outer.text[:400],
             'wrong phys_base': edited(moved(outer.text, 0x400000), 'NUMBER(phys_base)', outer.m.phys_base - 0x200000)}[name]
    decoy = decoy.replace(b'CRASHTIME=17', b'CRASHTIME=18')
    out = scratch / 'out'
    code, _, stderr = repair(innercore, '-z', 'none', '-o', out, outer.elf(decoy))
    assert code == 2 and 'proves itself' in stderr and not out.exists()
    code, report, stderr = repair(innercore, '-z', 'none', '-o', out, outer.elf(decoy, outer.text, decoy))
    assert code == 0, stderr
    assert Kdump.open(out).vmcoreinfo() == outer.text


def test_copy_in_page_cache_without_crash_time_is_second_choice(outer, innercore, scratch):
    early = b''.join(line for line in outer.text.splitlines(True) if not line.startswith(b'CRASHTIME'))
    out = scratch / 'out'
    assert repair(innercore, '-z', 'none', '-o', out, outer.elf(early, outer.text, early))[0] == 0
    assert Kdump.open(out).vmcoreinfo() == outer.text


def test_a_thousand_decoys(outer, innercore, scratch):
    """Each different, before the true one; and it does not take for ever."""
    decoys = [moved(outer.text, 0x200000 * (i % 200 + 1)) + b'DECOY=%d\n' % i for i in range(700)]
    decoys += [b'OSRELEASE=%d\n' % i for i in range(300)]
    out = scratch / 'out'
    code, _, stderr = repair(innercore, '-z', 'none', '-o', out, outer.elf(*decoys, outer.text))
    assert code == 0, stderr
    assert Kdump.open(out).vmcoreinfo() == outer.text


def test_from_inner(outer, innercore, scratch):
    inner, out = scratch / 'inner', scratch / 'out'
    source = outer.elf()
    elf = elfcore.write(scratch / 'core', elfcore.standard(outer.m), outer.m.notes())
    assert judges.capture(innercore, elf, inner, 'zlib', 31).code == 0
    code, report, stderr = repair(innercore, '-z', 'zlib', '--from', inner, '-o', out, source)
    assert code == 0, stderr
    assert report['vmcoreinfo_from'] == 'the inner dump'
    check_repaired(outer.m, out)


# --- in place ------------------------------------------------------------------------------------------------------


def parse_undo(raw, old_size):
    """The undo copy, read by its description in repair/undo.h: [(offset, old, new)]."""
    at = -(-old_size // PAGE) * PAGE
    magic, version, count, size, length, body_crc, head_crc = struct.unpack_from('<16sIIQQII', raw, at)
    assert magic == b'innercore undo\n\0' and version == 1 and size == old_size
    assert head_crc == zlib.crc32(raw[at:at + 44]) and body_crc == zlib.crc32(raw[at + 48:at + length])
    patches, at = [], at + 48
    for _ in range(count):
        off, n = struct.unpack_from('<QQ', raw, at)
        patches.append((off, raw[at + 16:at + 16 + n], raw[at + 16 + n:at + 16 + 2 * n]))
        at += 16 + 2 * n
    return patches


def cuts(before, after, rng):
    """(name, file): states between the two that a power cut leaves."""
    assert before[464:512] == bytes(48) != after[464:512]
    for part in (1, 15, 16, 47):
        yield f'mark {part}', before[:464] + after[464:464 + part] + before[464 + part:]
    marked = before[:464] + after[464:512] + before[512:]
    yield from ((f'append {at}', marked + after[len(before):at])
                for at in sorted(rng.sample(range(len(before), len(after)), 4)))
    patches = parse_undo(after, len(before))
    for i, (off, old, new) in enumerate(patches):
        assert before[off:off + len(old)] == old and after[off:off + len(new)] == new
        for part in sorted(rng.sample(range(len(new) + 1), 3)):
            raw = bytearray(marked + after[len(before):])
            for done, _, full in patches[:i]:
                raw[done:done + len(full)] = full
            raw[off:off + part] = new[:part]
            yield f'patch {i} byte {part}', bytes(raw)
            raw[off:off + len(new)] = old[:part] + new[part:]
            yield f'patch {i} from byte {part} on', bytes(raw)


def test_in_place(outer, innercore, scratch):
    """Good for every reader; idempotent; cut anywhere it is resumed or undone."""
    path = scratch / 'dump'
    before = outer.kdump(outer.text).read_bytes()
    path.write_bytes(before)
    code, report, stderr = repair(innercore, '--in-place', path)
    assert code == 0 and not report['nothing_to_do'], stderr
    check_repaired(outer.m, path)
    assert subprocess.run([innercore, 'verify', '-q', path], capture_output=True).returncode == 0
    after = path.read_bytes()
    assert repair(innercore, '--in-place', path)[1]['nothing_to_do']
    assert path.read_bytes() == after
    for name, raw in cuts(before, after, random.Random(7)):
        path.write_bytes(raw)
        assert repair(innercore, '--in-place', path)[0] == 0, name
        assert path.read_bytes() == after, name
        path.write_bytes(raw)
        assert repair(innercore, '--undo', path)[0] == 0, name
        assert path.read_bytes() == before, name
    assert repair(innercore, '--undo', path)[1]['nothing_to_do']


def test_makedumpfile_filters_what_was_changed_in_place(outer, innercore, scratch):
    path = scratch / 'dump'
    path.write_bytes(outer.kdump(outer.text).read_bytes())
    assert repair(innercore, '--in-place', path)[0] == 0
    code, said = judges.makedumpfile(path, scratch / 'filtered', 1)
    assert code == 0, said
    k = judges.Kdumpfile(scratch / 'filtered')
    assert k.attr('linux.uts.release') == outer.m.uts[2]


def test_in_place_refuses_what_it_cannot(outer, innercore, scratch):
    elf = outer.elf(outer.text)
    raw = elf.read_bytes()
    code, _, stderr = repair(innercore, '--in-place', elf)
    assert code == 2 and '-o' in stderr and elf.read_bytes() == raw
    flat = scratch / 'flat'
    with open(flat, 'wb') as f:
        assert judges.capture(innercore, elf, '-', 'zlib', 0, stdout=f).code == 0
    raw = flat.read_bytes()
    code, _, stderr = repair(innercore, '--in-place', flat)
    assert code == 2 and '-o' in stderr and flat.read_bytes() == raw


def test_in_place_refused_changes_no_byte(outer, innercore, scratch):
    """Neither bytes of others where the mark would stand, nor what a cut left, is touched by a run that is refused."""
    whole, nothing_proved = outer.kdump(outer.text).read_bytes(), outer.kdump().read_bytes()
    path = scratch / 'dump'
    strays = [bytes(16) + bytes(range(1, 33)), bytes(47) + b'x', bytes(44) + b'abcd', b'in\0ercore', b'innercore mark\n'.ljust(48, b'x')]
    strays = [stray.ljust(48, b'\0') for stray in strays]
    for stray in strays:
        for good in (whole, nothing_proved):
            raw = good[:464] + stray + good[512:]
            path.write_bytes(raw)
            for how in ('--in-place', '--undo'):
                code, _, stderr = repair(innercore, how, path)
                assert code == 2 and '-o' in stderr and len(stderr.splitlines()) == 1, (stray, stderr)
                assert path.read_bytes() == raw, (stray, how)
    assert repair(innercore, '-z', 'none', '-o', scratch / 'out', path)[0] == 2  # nothing proves it
    path.write_bytes(whole[:464] + strays[0] + whole[512:])
    assert repair(innercore, '-z', 'none', '-o', scratch / 'out', path)[0] == 0
    check_repaired(outer.m, scratch / 'out')
    torn = nothing_proved[:464] + b'innercore'.ljust(48, b'\0') + nothing_proved[512:]
    path.write_bytes(torn)
    code, _, stderr = repair(innercore, '--in-place', path)
    assert code == 2 and 'proves' in stderr and path.read_bytes() == torn
    assert repair(innercore, '--undo', path)[0] == 0 and path.read_bytes() == nothing_proved


# --- partial dumps -------------------------------------------------------------------------------------------------


def test_partial_dump_becomes_readable(outer, innercore, scratch):
    """Cut anywhere behind the bitmaps, each page is right or an error."""
    elf = elfcore.write(scratch / 'core', elfcore.standard(outer.m), outer.m.notes())
    whole, part, out = scratch / 'whole', scratch / 'part', scratch / 'out'
    assert judges.capture(innercore, elf, whole, 'zlib', 0).code == 0
    raw, k = whole.read_bytes(), Kdump.open(whole)
    rng = random.Random(3)
    places = [k.desc_off, k.desc_off + 1, k.data_off - 24, k.data_off, k.data_off + 1, len(raw) - 1]
    places += rng.sample(range(k.desc_off, k.data_off), 2) + rng.sample(range(k.data_off, len(raw)), 4)
    for at in places:
        part.write_bytes(raw[:at])
        code, _, stderr = repair(innercore, '-f', '-z', 'none', '-o', out, part)
        assert code in (0, 3), (at, stderr)
        read = judges.Kdumpfile(out)
        assert read.attr('linux.uts.release') == outer.m.uts[2]
        good = 0
        for pfn in rng.sample(k.pfns, 200):
            got = read.read(pfn * PAGE)
            assert isinstance(got, str) or got == outer.m.ram.read(pfn * PAGE, PAGE), (at, pfn)
            good += not isinstance(got, str)
        whole_pages = sum(1 for pfn, (off, size, _, _) in k.descs() if off + size <= at and
                          k.desc_off + 24 * (k.index[pfn] + 1) <= at)
        assert good >= 150 * whole_pages // len(k.pfns), at


# --- hostile input -------------------------------------------------------------------------------------------------


def test_broken_dumps(sanitized, tmp_path):
    """An exit code of the manual's and, where it fails, one line; the file it refused is as it was."""
    files = [broken for good in (bd.kdump(), bd.elf(qemu=True), bd.flattened(bd.kdump())) for broken in good.all(8)]
    for i, (name, make) in enumerate(random.Random(11).sample(files, 40)):
        path, out, raw = tmp_path / 'dump', tmp_path / 'out', make()
        path.write_bytes(raw)
        argv = [['--in-place'], ['-f', '-o', out], ['--undo'], ['-f', '-z', 'none', '-o', out]][i % 4]
        env = judges.environment()
        env['ASAN_OPTIONS'] = env['ASAN_OPTIONS'].replace('detect_leaks=1', 'detect_leaks=0')
        done = subprocess.run([sanitized, 'repair', *map(str, argv), path], capture_output=True, env=env, timeout=60)
        assert done.returncode in (0, 2, 3), (name, argv, done)
        if done.returncode == 2:
            errors = [line for line in done.stderr.splitlines() if not line.startswith(b'innercore: warning: ')]
            assert len(errors) == 1, (name, done)
            assert path.read_bytes() == raw, name


# --- hostile memory ------------------------------------------------------------------------------------------------


def prstatus(rip):
    desc = bytearray(336)
    struct.pack_into('<Q', desc, 112 + 16 * 8, rip)
    struct.pack_into('<Q', desc, 112 + 19 * 8, rip)
    return vmcore.note(b'CORE', 1, bytes(desc))


def plant_elfcorehdr(m, paddr, rip):
    """As kexec leaves it, with one CPU, whose crash note lies behind it."""
    phdr = elfcore.PHDR.pack(elfcore.PT_NOTE, 0, paddr + PAGE, 0, paddr + PAGE, 356, 356, 0)
    m.ram.write(paddr, elfcore.EHDR.pack(b'\x7fELF\2\1\1' + bytes(9), elfcore.ET_CORE, elfcore.EM_X86_64, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0) + phdr)
    m.ram.write(paddr + PAGE, prstatus(rip))


@pytest.mark.parametrize('where', ('tree', 'e820', 'not told'))
def test_elfcorehdr_is_looked_for_in_the_reservation(innercore, scratch, where):
    m = vmcore.Machine(style='6.1', levels=4, negative_phys_base=False)
    e820 = {'e820_table': [(start, end - start, 1) for start, end in vmcore.RANGES]} if where == 'e820' else None
    sy = symbols.Symbols(m, reserve=where != 'not told', e820=e820, without=('crash_notes',))
    plant_elfcorehdr(m, 0x500000, m.stext + 0x111)  # what page cache may hold
    plant_elfcorehdr(m, symbols.CRASH_KERNEL[0] + 0x10000, m.stext + 0x222)
    src = elfcore.write(scratch / 'outer', elfcore.standard(m), sy.notes(), qemu=True)
    code, report, stderr = repair(innercore, '-z', 'none', '-o', scratch / 'out', src)
    assert code == 0 and report['guest_cpus'] == 1, stderr
    notes = Kdump.open(scratch / 'out').notes()
    good, bad = (0x111, 0x222) if where == 'not told' else (0x222, 0x111)
    assert prstatus(m.stext + good)[20:] in notes and prstatus(m.stext + bad)[20:] not in notes


def limited(binary, cpu_seconds, *argv):
    """Time on a CPU: other tests do not count."""
    return subprocess.run([binary, *map(str, argv)], capture_output=True, timeout=300, env=judges.environment(),
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds)))


def test_names_without_end(innercore, scratch):
    """A symbol table of millions of names, each of thousands of tokens, each of thousands of characters."""
    m = vmcore.Machine(style='6.1', levels=4, negative_phys_base=False)
    symbols.Symbols(m)
    image = vmcore.IMAGE_PADDR + symbols.KALLSYMS
    m.ram.write(image + 0x2000, b'a' * 0x1000)  # tokens
    m.ram.write(image + 0x3000, bytes(512))     # where each begins
    m.ram.write(image + 0x5000, struct.pack('<I', 8 << 20))
    m.ram.write(DECOY_AREA, b'\xff' * 0x400000)  # names
    names = f'SYMBOL(kallsyms_names)={m.direct_map + DECOY_AREA:x}\n'.encode()
    text = b''.join(line for line in m.vmcoreinfo.splitlines(keepends=True) if not line.startswith(b'SYMBOL(kallsyms_names)'))
    src = elfcore.write(scratch / 'core', elfcore.standard(m), vmcore.notes(2, text + names))
    done = limited(innercore, 20, 'compare', src, src)
    assert done.returncode in (0, 1), done
    done = limited(innercore, 20, 'repair', '-z', 'none', '-o', scratch / 'out', src)
    assert done.returncode == 0, done


def test_many_texts_that_nearly_prove_themselves(innercore, scratch):
    """Each leads to the kernel's own tables and utsname, and to a long table of symbols whose banner is another's."""
    m = vmcore.Machine(style='6.1', levels=4, negative_phys_base=False)
    symbols.Symbols(m)
    image = vmcore.IMAGE_PADDR + symbols.KALLSYMS
    count = 1 << 19
    last = b''.join(bytes([len(n) + 1]) + b'T' + n for n in (b'_stext', b'linux_banner'))
    m.ram.write(0x11000000, b'\3Tab' * count + last)
    m.ram.write(image + 0x5000, struct.pack('<I', count + 2))
    offsets = vmcore.IMAGE_PADDR + 0x100
    text = b''.join(line for line in m.vmcoreinfo.splitlines(keepends=True)
                    if not line.startswith((b'SYMBOL(kallsyms_names)', b'SYMBOL(kallsyms_offsets)')))
    m.ram.write(offsets, struct.pack('<ii', -1, -1))  # both at _stext
    text += (f'SYMBOL(kallsyms_names)={m.direct_map + 0x11000000:x}\n'
             f'SYMBOL(kallsyms_offsets)={m.stext + 0x100 - 4 * count:x}\n').encode()
    for i, paddr in enumerate(range(DECOY_AREA, DECOY_AREA + 0x600000, PAGE)):
        raw = text + b'COPY=%d\n' % i
        m.ram.write(paddr, raw.ljust(PAGE, b'\0'))
    src = elfcore.write(scratch / 'outer', elfcore.standard(m), vmcore.notes(2, None), qemu=True)
    done = limited(innercore, 5, 'repair', '-z', 'none', '-o', scratch / 'out', src)
    assert done.returncode == 2 and b'no VMCOREINFO' in done.stderr, done


# --- registers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize('where', ('own', 'capture kernel', 'nowhere'))
def test_tables_of_another_kernel_give_way(innercore, scratch, where):
    """libkdumpfile of today walks from the first CPU's CR3; compare must still see that this CPU has jumped."""
    m = vmcore.Machine(style='6.1', negative_phys_base=False, seed=11)
    s = symbols.Symbols(m)
    own = vmcore.IMAGE_PADDR + vmcore.OFF_PGD
    cr3 = {'own': own, 'capture kernel': symbols.CRASH_KERNEL[0] + 0x3000, 'nowhere': (1 << 52) - PAGE}[where]
    outer = elfcore.write(scratch / 'outer', pairs.outer_loads(m), s.notes(cr3 | 5), qemu=True)
    assert repair(innercore, '-z', 'zlib', '-o', scratch / 'out', outer)[0] == 0
    raw = (scratch / 'out').read_bytes()
    found, at = [], raw.find(b'QEMU\0')
    while at >= 0:
        found.append((*struct.unpack_from('<Q', raw, at + 8 + 400), *struct.unpack_from('<Q', raw, at + 8 + 416)))
        at = raw.find(b'QEMU\0', at + 8)
    assert found == [(0, own | 5) if where == 'own' else (cr3 | 5, own)] * m.cpus
    paddr, length = s.written_by_the_crash()['text buffer']
    m.ram.write(paddr, bytes([m.ram.read(paddr, 1)[0] ^ 0x55]))
    src = elfcore.write(scratch / 'vmcore', elfcore.standard(m), s.notes())
    assert judges.capture(innercore, src, scratch / 'inner', 'zstd', 31).code == 0
    r = pairs.compare(innercore, scratch / 'inner', scratch / 'out')
    assert (r.pages['causes'].get('crash_path', 0), r.code) == ((0, 1) if where == 'capture kernel' else (1, 0)), r
