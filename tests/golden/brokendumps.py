# SPDX-License-Identifier: GPL-2.0-or-later
"""
Small good dumps, written field by field, and ways to break them. A good dump knows where its fields are, so that each
one can be set to values that nobody meant.
"""
import random
import struct
import zlib
from functools import partial

PAGE = 4096
EXTREMES = (0, 1, 2, 7, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 1 << 32, (1 << 63) - 1, 1 << 63,
            (1 << 64) - 1)

VMCOREINFO = (b'OSRELEASE=6.1.0-broken\nBUILD-ID=0123456789abcdef\nPAGESIZE=4096\n'
              b'SYMBOL(init_uts_ns)=ffffffff82a1a4c0\nSYMBOL(_stext)=ffffffff81000000\n'
              b'SYMBOL(swapper_pg_dir)=ffffffff82a10000\nNUMBER(phys_base)=-4096\n'
              b'NUMBER(pgtable_l5_enabled)=0\nKERNELOFFSET=0\nCRASHTIME=1700000000\n')


class Good:
    """
    @raw; @fields: [(name, offset, struct code)]; @cuts: offsets where one structure ends and the next begins.

    Broken ones come as (name, what makes the bytes when it is called): thousands are made up, and few are looked at.
    """

    def __init__(self, name, raw, fields, cuts):
        self.name, self.raw, self.fields, self.cuts = name, bytes(raw), fields, sorted(set(cuts))

    def cut(self, at):
        return self.raw[:at]

    def changed(self, pieces):
        """With these (offset, bytes)."""
        raw = bytearray(self.raw)
        for offset, data in pieces:
            raw[offset:offset + len(data)] = data
        return bytes(raw)

    def truncations(self):
        for cut in self.cuts:
            for at in {cut - 1, cut, cut + 1, (cut + len(self.raw)) // 2}:
                if 0 < at < len(self.raw):
                    yield f'{self.name}: cut at {at}', partial(self.cut, at)

    def extremes(self):
        for name, offset, code in self.fields:
            size = struct.calcsize(code)
            seen = {self.raw[offset:offset + size]}
            for value in EXTREMES:
                field = struct.pack(code[0] + code[1].upper(), value & (1 << 8 * size) - 1)
                if field not in seen:
                    seen.add(field)
                    yield f'{self.name}: {name} = {value:#x}', partial(self.changed, [(offset, field)])

    def flips(self, count, seed=1):
        """Random bytes where the structures are."""
        rng = random.Random(seed)
        for i in range(count):
            bad = [rng.randbytes(1) for _ in range(1 << rng.randrange(6))]
            bad = [(rng.randrange(min(len(self.raw), self.cuts[-1])), byte) for byte in bad]
            yield f'{self.name}: flips {i}', partial(self.changed, bad)

    def all(self, flips=25):
        yield from self.truncations()
        yield from self.extremes()
        yield from self.flips(flips)


def make_notes(order='<'):
    """NT_PRSTATUS of two CPUs, then VMCOREINFO."""
    def note(name, kind, desc):
        return struct.pack(order + 'III', len(name), len(desc), kind) + pad(name) + pad(desc)

    def pad(raw):
        return raw + bytes(-len(raw) % 4)
    return note(b'CORE\0', 1, bytes(336)) * 2 + note(b'VMCOREINFO\0', 0, VMCOREINFO)


def page_content(pfn):
    rng = random.Random(pfn)
    return b''.join(struct.pack('<QQ', rng.randrange(1 << 20), pfn) for _ in range(PAGE // 16))


class Layout:
    """Field offsets of a main header and a sub header."""

    def __init__(self, main, sub, word):
        self.main, self.sub, self.word = main, sub, word


LAYOUT_64 = Layout(
    dict(tv_sec=408, tv_usec=416, status=424, block_size=428, sub_hdr_size=432, bitmap_blocks=436,
         max_mapnr=440, nr_cpus=460),
    dict(phys_base=0, dump_level=8, split=12, start_pfn=16, end_pfn=24, offset_vmcoreinfo=32, size_vmcoreinfo=40,
         offset_note=48, size_note=56, offset_eraseinfo=64, size_eraseinfo=72, start_pfn_64=80, end_pfn_64=88,
         max_mapnr_64=96), 'q')
LAYOUT_I386 = Layout(
    dict(tv_sec=404, tv_usec=408, status=412, block_size=416, sub_hdr_size=420, bitmap_blocks=424,
         max_mapnr=428, nr_cpus=448),
    dict(phys_base=0, dump_level=4, split=8, start_pfn=12, end_pfn=16, offset_vmcoreinfo=20, size_vmcoreinfo=28,
         offset_note=32, size_note=40, offset_eraseinfo=44, size_eraseinfo=52, start_pfn_64=56, end_pfn_64=64,
         max_mapnr_64=72), 'i')
LONGS = {'tv_sec', 'tv_usec', 'phys_base', 'start_pfn', 'end_pfn', 'size_vmcoreinfo', 'size_note', 'size_eraseinfo'}
QUADS = {'offset_vmcoreinfo', 'offset_note', 'offset_eraseinfo', 'start_pfn_64', 'end_pfn_64', 'max_mapnr_64'}


def kdump(name='kdump', layout=LAYOUT_64, order='<', version=6, machine=b'x86_64', max_mapnr=600, flags=1):
    """Every third page is left out, every fifth is zero, the rest is zlib."""
    notes = make_notes(order)
    erase = b'erase jiffies size 8\n'
    sub_blocks, map_blocks = 1 + (120 + len(notes)) // PAGE, -(-max_mapnr // (8 * PAGE))
    bitmap_off = (1 + sub_blocks) * PAGE
    desc_off = bitmap_off + 2 * map_blocks * PAGE
    ram = [pfn for pfn in range(16, max_mapnr) if pfn != 256]
    stored = [pfn for pfn in ram if pfn % 3]
    data_off = desc_off + 24 * len(stored)
    descs, data = [], bytearray(PAGE)
    for pfn in stored:
        packed = zlib.compress(page_content(pfn), 1)
        descs.append((data_off, PAGE, 0) if pfn % 5 == 0 else (data_off + len(data), len(packed), flags))
        data += b'' if pfn % 5 == 0 else packed
    out = bytearray(data_off) + data + erase
    fields = []

    def put(where, base, field, value):
        code = order + (layout.word if field in LONGS else 'q' if field in QUADS else 'i')
        struct.pack_into(code, out, base + where[field], value)
        fields.append((field, base + where[field], code))

    out[0:8] = b'KDUMP   '
    struct.pack_into(order + 'i', out, 8, version)
    fields.append(('header_version', 8, order + 'i'))
    for i, text in enumerate((b'Linux', b'host', b'6.1.0-broken', b'#1 SMP', machine, b'(none)')):
        out[12 + 65 * i:12 + 65 * i + len(text)] = text
    for field, value in dict(tv_sec=1700000000, tv_usec=0, status=1, block_size=PAGE, sub_hdr_size=sub_blocks,
                             bitmap_blocks=2 * map_blocks, max_mapnr=max_mapnr, nr_cpus=2).items():
        put(layout.main, 0, field, value)
    notes_off = PAGE + 120
    vmcoreinfo_off = notes_off + notes.index(b'OSRELEASE')
    for field, value in dict(phys_base=-4096, dump_level=31, split=0, start_pfn=0, end_pfn=0,
                             offset_vmcoreinfo=vmcoreinfo_off, size_vmcoreinfo=len(VMCOREINFO), offset_note=notes_off,
                             size_note=len(notes), offset_eraseinfo=len(out) - len(erase), size_eraseinfo=len(erase),
                             start_pfn_64=0, end_pfn_64=0, max_mapnr_64=max_mapnr).items():
        put(layout.sub, PAGE, field, value)
    out[notes_off:notes_off + len(notes)] = notes
    for pfns, base in ((ram, bitmap_off), (stored, bitmap_off + map_blocks * PAGE)):
        for pfn in pfns:
            out[base + pfn // 8] |= 1 << pfn % 8
    for i, desc in enumerate(descs):
        struct.pack_into(order + 'qII', out, desc_off + 24 * i, *desc)
    for i in (0, 1, len(descs) - 1):
        for field, at, code in (('offset', 0, 'q'), ('size', 8, 'i'), ('flags', 12, 'i')):
            fields.append((f'desc {i} {field}', desc_off + 24 * i + at, order + code))
    fields += note_fields(notes, notes_off, order)
    cuts = [8, 12, 464, PAGE, PAGE + 104, notes_off, notes_off + len(notes), bitmap_off, bitmap_off + map_blocks * PAGE,
            desc_off, desc_off + 24, data_off, data_off + PAGE, len(out) - len(erase)]
    return Good(name, out, fields, cuts)


def note_fields(notes, base, order):
    """Where the headers of @notes (4-byte aligned) keep their sizes."""
    pos, out, i = 0, [], 0
    while pos + 12 <= len(notes):
        namesz, descsz, _ = struct.unpack_from(order + 'III', notes, pos)
        out += [(f'note {i} namesz', base + pos, order + 'i'), (f'note {i} descsz', base + pos + 4, order + 'i'),
                (f'note {i} type', base + pos + 8, order + 'i')]
        pos += 12 + -(-namesz // 4) * 4 + -(-descsz // 4) * 4
        i += 1
    return out


FLAT_HEADER = b'makedumpfile'.ljust(16, b'\0') + struct.pack('>qq', 1, 1) + bytes(PAGE - 32)
FLAT_END = b'\xff' * 16


def flattened(good, piece=5000, main_header_last=False):
    """@good as a stream of records of @piece bytes."""
    out, fields, cuts = bytearray(FLAT_HEADER), [('type', 16, '>q'), ('version', 24, '>q')], [16, 32, PAGE]
    spans = [(0, 464)] + [(at, min(at + piece, len(good.raw))) for at in range(PAGE, len(good.raw), piece)]
    if main_header_last:
        spans = spans[1:] + spans[:1]
    for i, (start, end) in enumerate(spans):
        if i in (0, 1, len(spans) // 2, len(spans) - 1):
            fields += [(f'record {i} offset', len(out), '>q'), (f'record {i} size', len(out) + 8, '>q')]
            cuts += [len(out), len(out) + 8, len(out) + 16]
        out += struct.pack('>qq', start, end - start) + good.raw[start:end]
    fields += [('end offset', len(out), '>q'), ('end size', len(out) + 8, '>q')]
    cuts += [len(out), len(out) + 8]
    return Good(f'flattened {good.name}', out + FLAT_END, fields, cuts)


def flattened_with(records, end=True):
    """A stream of these (offset, size, data)."""
    return FLAT_HEADER + b''.join(struct.pack('>qq', o, s) + d for o, s, d in records) + (FLAT_END if end else b'')


EHDR_FIELDS = (('e_type', 16, 'H'), ('e_machine', 18, 'H'), ('e_version', 20, 'I'), ('e_phoff', 32, 'Q'),
               ('e_shoff', 40, 'Q'), ('e_flags', 48, 'I'), ('e_ehsize', 52, 'H'), ('e_phentsize', 54, 'H'),
               ('e_phnum', 56, 'H'),
               ('e_shentsize', 58, 'H'), ('e_shnum', 60, 'H'), ('e_shstrndx', 62, 'H'))
PHDR_FIELDS = (('p_type', 0, 'I'), ('p_offset', 8, 'Q'), ('p_vaddr', 16, 'Q'), ('p_paddr', 24, 'Q'),
               ('p_filesz', 32, 'Q'), ('p_memsz', 40, 'Q'), ('p_align', 48, 'Q'))


def elf(name='elf', qemu=False):
    """PT_NOTE and three PT_LOADs; @qemu: section headers first, program headers behind them."""
    notes = make_notes()
    phoff = 64 + (128 if qemu else 0)
    notes_off = phoff + 4 * 56
    data_off = -(-(notes_off + len(notes)) // PAGE) * PAGE
    loads = [(0x1000, 20 * PAGE, 20 * PAGE), (0x100000, 300 * PAGE, 300 * PAGE), (0x300800, 10 * PAGE + 17, 12 * PAGE)]
    out = bytearray(data_off)
    out[:64] = struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\2\1\1', 4, 62, 1, 0, phoff, 64 if qemu else 0, 0,
                           8 if qemu else 64, 56, 4, 64 if qemu else 0, 2 if qemu else 0, 1 if qemu else 0)
    struct.pack_into('<IIQQQQQQ', out, phoff, 4, 0, notes_off, 0, 0, len(notes), len(notes), 0)
    out[notes_off:notes_off + len(notes)] = notes
    cuts = [4, 16, 63, 64, phoff, phoff + 56, notes_off, notes_off + len(notes), data_off]
    for i, (paddr, filesz, memsz) in enumerate(loads):
        struct.pack_into('<IIQQQQQQ', out, phoff + 56 * (i + 1), 1, 7, len(out), 0xffff888000000000 + paddr, paddr,
                         filesz, memsz, 0)
        out += b''.join(page_content(pfn) for pfn in range(-(-filesz // PAGE)))[:filesz]
        cuts.append(len(out))
    if qemu:
        out += b'\0.shstrtab\0'
        struct.pack_into('<IIQQQQIIQQ', out, 128, 1, 3, 0, 0, len(out) - 11, 11, 0, 0, 0, 0)
    fields = [(f, at, '<' + code) for f, at, code in EHDR_FIELDS]
    fields += [('e_ident class', 4, '<B'), ('e_ident data', 5, '<B')]
    for i in (0, 1, 3):
        fields += [(f'phdr {i} {f}', phoff + 56 * i + at, '<' + code) for f, at, code in PHDR_FIELDS]
    fields += [(f'shdr 0 {f}', 64 + at, '<' + code) for f, at, code in
               (('sh_info', 44, 'I'), ('sh_size', 32, 'Q'))] if qemu else []
    return Good(name, out, fields + note_fields(notes, notes_off, '<'), cuts)
