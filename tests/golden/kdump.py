# SPDX-License-Identifier: GPL-2.0-or-later
"""An independent, small reader of the KDUMP format and of flattened streams, for tests only. 64-bit, little endian."""
import struct
import zlib

PAGE = 4096
INCOMPLETE = 8
COMPRESSION = {'none': 0, 'zlib': 1, 'lzo': 2, 'snappy': 4, 'zstd': 0x20}


class Kdump:
    def __init__(self, raw):
        self.raw = raw
        assert raw[:8] == b'KDUMP   ', raw[:8]
        self.version, = struct.unpack_from('<i', raw, 8)
        self.uts = [raw[12 + 65 * i:77 + 65 * i].split(b'\0')[0].decode() for i in range(6)]
        self.tv_sec, self.tv_usec, self.status, self.block_size, self.sub_blocks, self.bitmap_blocks, self.max_mapnr = \
            struct.unpack_from('<QQIiiII', raw, 408)
        self.nr_cpus, = struct.unpack_from('<i', raw, 460)
        (self.phys_base, self.dump_level, self.split, self.start_pfn, self.end_pfn, self.vmcoreinfo_off,
         self.vmcoreinfo_len, self.notes_off, self.notes_len, self.erase_off, self.erase_len, self.start_pfn_64,
         self.end_pfn_64, self.max_mapnr_64) = struct.unpack_from('<qiiQQqQqQqQQQQ', raw, PAGE)
        self.bitmap_off = (1 + self.sub_blocks) * PAGE
        half = self.bitmap_blocks * PAGE // 2
        self.ram_bitmap = raw[self.bitmap_off:self.bitmap_off + half]
        self.stored = bits(raw[self.bitmap_off + half:self.bitmap_off + 2 * half])
        self.desc_off = self.bitmap_off + 2 * half
        self.pfns = sorted(self.stored)
        self.index = {pfn: i for i, pfn in enumerate(self.pfns)}
        self.data_off = self.desc_off + 24 * len(self.pfns)

    @classmethod
    def open(cls, path):
        with open(path, 'rb') as f:
            return cls(f.read())

    @property
    def ram(self):
        return bits(self.ram_bitmap)

    def desc(self, pfn):
        """(offset, size, flags, page_flags)"""
        return struct.unpack_from('<qIIQ', self.raw, self.desc_off + 24 * self.index[pfn])

    def descs(self):
        raw = self.raw[self.desc_off:self.data_off]
        return list(zip(self.pfns, struct.iter_unpack('<qIIQ', raw)))

    def page(self, pfn):
        """Bytes of a raw or zlib page."""
        off, size, flags, _ = self.desc(pfn)
        data = self.raw[off:off + size]
        return zlib.decompress(data) if flags == 1 else data

    def vmcoreinfo(self):
        return self.raw[self.vmcoreinfo_off:self.vmcoreinfo_off + self.vmcoreinfo_len]

    def notes(self):
        return self.raw[self.notes_off:self.notes_off + self.notes_len]


def bits(raw):
    """Numbers of the bits set, lowest first in each byte."""
    out = set()
    for base in range(0, len(raw), PAGE):
        block = raw[base:base + PAGE]
        if block.count(0) == len(block):
            continue
        for i, byte in enumerate(block):
            if byte:
                out.update((base + i) * 8 + b for b in range(8) if byte >> b & 1)
    return out


class Flattened:
    """Records of a flattened stream, in order."""

    def __init__(self, raw):
        assert raw[:16] == b'makedumpfile'.ljust(16, b'\0')
        assert struct.unpack_from('>qq', raw, 16) == (1, 1)
        assert not any(raw[32:4096])
        self.records, self.ended = [], False
        pos = 4096
        while pos + 16 <= len(raw):
            offset, size = struct.unpack_from('>qq', raw, pos)
            pos += 16
            if (offset, size) == (-1, -1):
                self.ended = True
                break
            assert offset >= 0 and size > 0, (offset, size)
            self.records.append((offset, raw[pos:pos + size]))
            pos += size
        self.trailing = len(raw) - pos

    def rearranged(self):
        out = bytearray(max(off + len(data) for off, data in self.records))
        for off, data in self.records:
            out[off:off + len(data)] = data
        return bytes(out)
