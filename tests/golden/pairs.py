# SPDX-License-Identifier: GPL-2.0-or-later
"""Pairs of dumps of one machine, inner and outer, and what can be wrong with them."""
import json
import shutil
import struct
import subprocess

import elfcore
import judges
import vmcore
from kdump import PAGE, Kdump

# What a hypervisor sees beside the guest's RAM: pages below 1 MiB, and the flash below 4 GiB.
LOW = (0x1000, 0x9f000)
FLASH = (0xfffc0000, 0x100000000)


def outer_loads(m):
    loads = [elfcore.Load(start, b'\x5a' * (end - start)) for start, end in (LOW, FLASH)]
    return loads + [elfcore.ram_load(m, start, start + len(data)) for start, data in m.ram.blocks]


def outer_elf(path, m, vmcoreinfo=True, loads=None):
    """As QEMU writes it, with a VMCOREINFO note or without."""
    notes = vmcore.notes(m.cpus, m.vmcoreinfo if vmcoreinfo is True else vmcoreinfo or None)
    return elfcore.write(path, outer_loads(m) if loads is None else loads, notes, qemu=True)


def extra_pages(m):
    return sum((end - start) // PAGE for start, end in (LOW, FLASH))


class Compared:
    def __init__(self, code, report, stderr):
        self.code, self.report, self.stderr = code, report, stderr

    def __getattr__(self, key):
        return self.report[key]

    def __repr__(self):
        brief = {k: v for k, v in (self.report or {}).items() if k != 'headers'}
        return f'exit {self.code}\n{self.stderr}\n{json.dumps(brief, indent=1)}'

    def field(self, name):
        return next((f for f in self.report['headers'] if f['field'] == name), None)


def run(binary, *argv, timeout=100):
    done = subprocess.run([binary, 'compare', *map(str, argv)], capture_output=True, env=judges.environment(), timeout=timeout)
    assert done.returncode in (0, 1, 2), done.stderr.decode(errors='replace')
    return done


def compare(binary, inner, outer, *options):
    done = run(binary, '--json', *options, inner, outer)
    report = json.loads(done.stdout) if done.stdout else None
    return Compared(done.returncode, report, done.stderr.decode(errors='replace'))


# Damage.

def flip_elf(path, paddr, bit=0x10):
    """Flip one bit of memory in an ELF core."""
    with open(path, 'r+b') as f:
        f.seek(elfcore.file_offset(path, paddr))
        byte = f.read(1)[0]
        f.seek(-1, 1)
        f.write(bytes([byte ^ bit]))


def flip_kdump(path, paddr, bit=0x10):
    """The same in a KDUMP without compression; not in a page of zeros, which all zero pages share."""
    k = Kdump.open(path)
    off, size, flags, _ = k.desc(paddr // PAGE)
    assert size == PAGE and flags == 0 and any(k.page(paddr // PAGE))
    raw = bytearray(k.raw)
    raw[off + paddr % PAGE] ^= bit
    path.write_bytes(raw)


def drop_pages(path, pfns):
    """Leave pages out of a KDUMP: their bits of bitmap2 and their descriptors."""
    k = Kdump.open(path)
    raw = bytearray(k.raw)
    half = k.bitmap_blocks * PAGE // 2
    for pfn in pfns:
        assert pfn in k.stored, hex(pfn)
        raw[k.bitmap_off + half + pfn // 8] &= ~(1 << pfn % 8)
    descs = b''.join(raw[k.desc_off + 24 * i:k.desc_off + 24 * i + 24] for i, pfn in enumerate(k.pfns) if pfn not in pfns)
    raw[k.desc_off:k.desc_off + len(descs)] = descs
    path.write_bytes(raw)


def punch_hole(path, pfn):
    """A page that could not be saved: descriptor {0,0,0,0}."""
    k = Kdump.open(path)
    raw = bytearray(k.raw)
    at = k.desc_off + 24 * k.index[pfn]
    raw[at:at + 24] = bytes(24)
    path.write_bytes(raw)


def set_level(path, level):
    with open(path, 'r+b') as f:
        f.seek(PAGE + 8)
        f.write(struct.pack('<i', level))


def copied(src, dest):
    shutil.copyfile(src, dest)
    return dest
