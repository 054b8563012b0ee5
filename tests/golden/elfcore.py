# SPDX-License-Identifier: GPL-2.0-or-later
"""ELF cores of a Machine: as /proc/vmcore, as QEMU writes them, and as hostile firmware maps make them."""
import random
import struct

from vmcore import IMAGE_LEN, IMAGE_PADDR, PAGE

EHDR = struct.Struct('<16sHHIQQQIHHHHHH')
PHDR = struct.Struct('<IIQQQQQQ')
SHDR = struct.Struct('<IIQQQQIIQQ')
ET_CORE, EM_X86_64, PT_LOAD, PT_NOTE, PN_XNUM = 4, 62, 1, 4, 0xffff


class Load:
    """One PT_LOAD: @data and then @hole_len zeros are its bytes in the file, @mem_len is its p_memsz."""

    def __init__(self, paddr, data, vaddr=0, mem_len=None, hole_len=0):
        self.paddr, self.data, self.vaddr = paddr, data, vaddr
        self.file_len = len(data) + hole_len
        self.mem_len = self.file_len if mem_len is None else mem_len


def text_alias(m):
    return Load(IMAGE_PADDR, m.ram.view(IMAGE_PADDR, IMAGE_LEN), m.stext)


def ram_load(m, start, end):
    return Load(start, m.ram.view(start, end - start), m.direct_map + start)


def standard(m):
    """As /proc/vmcore: the kernel image first, whose bytes a later load has again."""
    return [text_alias(m)] + [ram_load(m, start, start + len(data)) for start, data in m.ram.blocks]


def ragged(m):
    """Ranges of RAM that begin and end inside a page, so that some pages are there in part only."""
    cuts = ((0x18, 0x40d), (0, 0xc58), (0x3a8, 0x1))
    return [text_alias(m)] + [ram_load(m, start + a, start + len(data) - b)
                              for (start, data), (a, b) in zip(m.ram.blocks, cuts)]


def split(m, seed=2, pieces=400):
    """Byte-granular loads: cut anywhere, now and then twice within one page."""
    rng = random.Random(seed)
    out = []
    for start, data in m.ram.blocks:
        cuts = {0, len(data)}
        for _ in range(pieces):
            at = rng.randrange(1, len(data) - 64)
            cuts.update((at, at + rng.randrange(1, 64)) if rng.random() < 0.3 else (at,))
        cuts = sorted(cuts)
        out += [ram_load(m, start + a, start + b) for a, b in zip(cuts, cuts[1:])]
    rng.shuffle(out)
    return [text_alias(m)] + out


def overlapping(m, seed=3):
    """Loads that lie over each other. The first in file order is right; a later one may lie in the overlap."""
    rng = random.Random(seed)
    out = standard(m)
    for start, data in m.ram.blocks:
        for _ in range(20):
            a = rng.randrange(0, len(data) - 100000)
            length = rng.randrange(1, 90000)
            if rng.random() < 0.5:
                out.append(Load(start + a, rng.randbytes(length), m.direct_map + start + a))
            else:
                out.append(ram_load(m, start + a, start + a + length))
    # Before the ranges: true bytes in odd pieces, which the whole range then repeats.
    for i in range(10):
        a = rng.randrange(IMAGE_PADDR, IMAGE_PADDR + IMAGE_LEN - 10000)
        out.insert(1, ram_load(m, a, a + rng.randrange(1, 10000)))
    return out


def short_file(m):
    """p_memsz > p_filesz at a page's edge and inside a page, p_filesz 0, and loads without any length."""
    out = [text_alias(m)]
    for i, (start, data) in enumerate(m.ram.blocks):
        third = len(data) // 3 // PAGE * PAGE
        lacks = (4 * PAGE, 5 * PAGE + 123, 7)[i]
        out.append(Load(start, m.ram.view(start, third - lacks), m.direct_map + start, third))
        out.append(Load(start + third, b'', m.direct_map + start + third, 0))
        out.append(ram_load(m, start + third, start + 2 * third))
        out.append(Load(start + 2 * third, b'', m.direct_map + start + 2 * third, 3 * PAGE))
        out.append(ram_load(m, start + 2 * third + 3 * PAGE, start + len(data)))
    return out


def many(m, count=65600):
    """More program headers than e_phnum can tell."""
    out = [text_alias(m)]
    for start, data in m.ram.blocks:
        for off in range(0, len(data), PAGE):
            pieces = 7 if len(out) < count else 1
            cuts = [off + PAGE * i // pieces for i in range(pieces + 1)]
            out += [ram_load(m, start + a, start + b) for a, b in zip(cuts, cuts[1:])]
    if len(out) <= PN_XNUM:
        raise RuntimeError('too few loads')
    return out


class Truth:
    """What a reader of @loads must find: per page the bytes, and which of them exist. The first load wins."""

    def __init__(self, loads):
        spans = sorted((ld.paddr // PAGE * PAGE, -(-(ld.paddr + ld.mem_len) // PAGE) * PAGE)
                       for ld in loads if ld.mem_len)
        self.blocks = []
        for start, end in spans:
            if self.blocks and start <= self.blocks[-1][1]:
                self.blocks[-1][1] = max(end, self.blocks[-1][1])
            else:
                self.blocks.append([start, end])
        self.blocks = [(s, bytearray(e - s), bytearray(e - s)) for s, e in self.blocks]
        for ld in loads:  # mark 1: claimed; 2: has data
            self._put(ld.paddr, None, b'\1' * ld.mem_len)
        for ld in reversed(loads):
            self._put(ld.paddr, ld.data, b'\2' * len(ld.data))

    def _put(self, paddr, data, mark):
        if not mark:
            return
        start, content, marks = next(b for b in self.blocks if b[0] <= paddr < b[0] + len(b[1]))
        off = paddr - start
        if data is not None:
            content[off:off + len(data)] = data
        marks[off:off + len(mark)] = mark

    def pages(self):
        """(pfn, content, marks) of every page that a load claims a part of."""
        for start, content, marks in self.blocks:
            for off in range(0, len(content), PAGE):
                m = marks[off:off + PAGE]
                if m.count(0) < PAGE:
                    yield (start + off) // PAGE, bytes(content[off:off + PAGE]), m


def places(path):
    """[(physical address, file offset, bytes)] of the PT_LOADs of a core, read back from the file."""
    with open(path, 'rb') as f:
        head = EHDR.unpack(f.read(EHDR.size))
        f.seek(head[5])
        phdrs = [PHDR.unpack(f.read(PHDR.size)) for _ in range(head[10])]
    return [(p[4], p[2], p[5]) for p in phdrs if p[0] == PT_LOAD]


def file_offset(path, paddr):
    """Where a reader finds @paddr: in the first load that has it."""
    return next(off + paddr - start for start, off, length in places(path) if start <= paddr < start + length)


def _pack_phdrs(loads, notes_off, notes_len, data_off, align):
    out = [PHDR.pack(PT_NOTE, 0, notes_off, 0, 0, notes_len, notes_len, 0)]
    pos = data_off
    for ld in loads:
        pos += -pos % align
        out.append(PHDR.pack(PT_LOAD, 7, pos, ld.vaddr & (1 << 64) - 1, ld.paddr, ld.file_len, ld.mem_len, 0))
        pos += ld.file_len
    return b''.join(out)


def write(path, loads, notes, align=PAGE, qemu=False, ehsize=64, flags=0):
    """
    @align: of each load's place in the file; 1 packs them tight. @qemu: section headers first, then program headers,
    with no virtual addresses; QEMU's e_ehsize is 8.
    """
    phnum = len(loads) + 1
    xnum = phnum >= PN_XNUM
    shdr_off = 64 if qemu or xnum else 0
    shnum = 2 if qemu else 1 if xnum else 0
    phoff = 64 + shnum * SHDR.size
    if qemu:
        loads = [Load(ld.paddr, ld.data, 0, ld.mem_len, ld.file_len - len(ld.data)) for ld in loads
                 if ld.vaddr < 0xffffffff80000000]
        phnum = len(loads) + 1
    notes_off = phoff + phnum * PHDR.size
    data_off = notes_off + len(notes)
    data_off += -data_off % PAGE
    phdrs = _pack_phdrs(loads, notes_off, len(notes), data_off, align)
    size = data_off
    for ld in loads:
        size += -size % align + ld.file_len
    shdrs = b''
    if shnum:
        shdrs = SHDR.pack(0, 0, 0, 0, 0, 0, 0, phnum if xnum else 0, 0, 0)
    if qemu:
        shdrs += SHDR.pack(1, 3, 0, 0, size, 11, 0, 0, 0, 0)
    ident = b'\x7fELF\2\1\1' + bytes(9)
    ehdr = EHDR.pack(ident, ET_CORE, EM_X86_64, 1, 0, phoff, shdr_off, flags, ehsize, PHDR.size,
                     PN_XNUM if xnum else phnum, SHDR.size if shnum else 0, shnum, 1 if qemu else 0)
    with open(path, 'wb') as f:
        f.write(ehdr + shdrs + phdrs + notes)
        pos = data_off
        for ld in loads:
            pos += -pos % align
            f.seek(pos)
            f.write(ld.data)
            pos += ld.file_len
        f.truncate(pos)
        if qemu:
            f.seek(pos)
            f.write(b'\0.shstrtab\0')
    return path
