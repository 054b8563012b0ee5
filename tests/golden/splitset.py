# SPDX-License-Identifier: GPL-2.0-or-later
"""Split sets, as makedumpfile --split writes them: by makedumpfile, or cut here at page frames that it would not take."""
import struct

import judges
from kdump import PAGE, Kdump


def cut(path, folder, frames, name='part'):
    """
    Cut a KDUMP at page frames @frames. Each file has all headers and bitmaps, and the descriptors and data of its range
    (kdump-format: split 1, start_pfn and end_pfn in both widths).
    """
    k = Kdump.open(path)
    out = []
    for start, end in zip([0, *frames], [*frames, k.max_mapnr_64]):
        head = bytearray(k.raw[:k.desc_off])
        struct.pack_into('<iQQ', head, PAGE + 12, 1, start, end)
        struct.pack_into('<QQ', head, PAGE + 80, start, end)
        pfns = [pfn for pfn in k.pfns if start <= pfn < end]
        at = k.desc_off + 24 * len(pfns)
        descs, data, placed = [], [], {}
        for pfn in pfns:
            off, size, flags, _ = k.desc(pfn)
            if off not in placed:
                placed[off] = at
                data.append(k.raw[off:off + size])
                at += size
            descs.append(struct.pack('<qIIQ', placed[off], size, flags, 0))
        out.append(folder / f'{name}{len(out)}')
        out[-1].write_bytes(bytes(head) + b''.join(descs + data))
    return out


def makedumpfile(src, folder, nr, level=31):
    """makedumpfile cuts at multiples of 1 GiB: the last files of a small dump have no pages."""
    names = [folder / f'split{i}' for i in range(nr)]
    code, text = judges.run_text('makedumpfile', '-c', '-d', level, '--split', src, *names)
    assert code == 0, text
    return names


def reassemble(files, dest):
    """makedumpfile's own opinion of a set: (exit code, text)"""
    return judges.run_text('makedumpfile', '--reassemble', *files, dest)


def flatten(path, dest):
    """One record for all of a file, in pieces of 1 MiB."""
    raw = path.read_bytes()
    out = [b'makedumpfile'.ljust(16, b'\0') + struct.pack('>qq', 1, 1) + bytes(4096 - 32)]
    for off in range(0, len(raw), 1 << 20):
        piece = raw[off:off + (1 << 20)]
        out.append(struct.pack('>qq', off, len(piece)) + piece)
    dest.write_bytes(b''.join(out) + b'\xff' * 16)
    return dest


def striped(path, folder, nr, pages):
    """
    @nr files that claim RAM in every other one of @pages page frames, and store none of them, with all that goes before the
    bitmaps taken from a KDUMP: little to read, much to remember.
    """
    k = Kdump.open(path)
    blocks = -(-pages // 8 // PAGE)
    bitmaps = b'\x55' * (blocks * PAGE) + bytes(blocks * PAGE)
    for i in range(nr):
        start, end = (pages * at // nr & ~63 for at in (i, i + 1))
        head = bytearray(k.raw[:k.bitmap_off])
        struct.pack_into('<II', head, 436, 2 * blocks, pages)
        struct.pack_into('<iQQ', head, PAGE + 12, 1, start, end)
        struct.pack_into('<QQQ', head, PAGE + 80, start, end, pages)
        (folder / f'part{i:03}').write_bytes(bytes(head) + bitmaps)
