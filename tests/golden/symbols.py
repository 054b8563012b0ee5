# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a real kernel has and a Machine has not: a symbol table, types, the tree of resources, the log's ring buffer, per-CPU
data, stacks, and what the kernel writes on its way into the capture kernel. Planted into the unused end of its image, with the layout of 6.1; VMCOREINFO is told where.
"""
import struct

from vmcore import IMAGE_PADDR, PAGE, RANGES, note

RING_KEYS = '''SIZE(printk_ringbuffer)=80
OFFSET(printk_ringbuffer.desc_ring)=0
OFFSET(printk_ringbuffer.text_data_ring)=48
OFFSET(prb_desc_ring.count_bits)=0
OFFSET(prb_desc_ring.descs)=8
OFFSET(prb_desc_ring.infos)=16
OFFSET(prb_desc_ring.head_id)=24
OFFSET(prb_desc_ring.tail_id)=32
SIZE(prb_desc)=24
OFFSET(prb_desc.state_var)=0
OFFSET(prb_desc.text_blk_lpos)=8
OFFSET(prb_data_blk_lpos.begin)=0
OFFSET(prb_data_blk_lpos.next)=8
OFFSET(prb_data_ring.size_bits)=0
OFFSET(prb_data_ring.data)=8
SIZE(printk_info)=88
OFFSET(printk_info.seq)=0
OFFSET(printk_info.ts_nsec)=8
OFFSET(printk_info.text_len)=16
OFFSET(printk_info.caller_id)=20
OFFSET(atomic_long_t.counter)=0
'''
# Places in the image.
KALLSYMS, IOMEM, RING, DESCS, INFOS, TEXT, VARS, PER_CPU = \
    0x300000, 0x310000, 0x320010, 0x321000, 0x323000, 0x330000, 0x348000, 0x360000
PER_CPU_STEP = 0x10000
VMCOREINFO_NOTE, VMCOREINFO_DATA, BTF, OBJECTS = 0x34a800, 0x34d000, 0x34f000, 0x350000
# Within a CPU's area.
CPU_NOTES, CPU_PREEMPT_COUNT, CPU_TASK, CPU_TSS, CPU_IRQ_STACK, CPU_END = 0x40, 0x600, 0x608, 0x1000, 0x4000, 0x8000
PANIC_CPU = 1
# Within OBJECTS: name of the symbol, where it is, how long the object is.
CONSOLE_SEM, CONSOLE_LOCKED, TEXT_BUFFER, TASKS, CONSOLES, PORTS, VC_CONS, VC, SCREEN, MODULE_LOCK = \
    (0x0, 24), (0xa040, 4), (0xb800, 1024), (0x2100, 0x940), (0x4000, 0x118), (0x5008, 0x310), (0x7000, 40), (0x8010, 0x300), \
    (0x9020, 4000), (0xd100, 4)
MODULES = 0xc000
STRUCTS = {'task_struct': (TASKS[1], {}), 'uart_8250_port': (PORTS[1], {}), 'vc': (VC_CONS[1], {}),
           'console': (CONSOLES[1], {'name': 0, 'index': 0x42, 'next': 0x60, 'node': 0x78}),
           'module': (0x100, {'list': 8, 'name': 24, 'kallsyms': 0x60}),
           'mod_kallsyms': (0x20, {'symtab': 0, 'num_symtab': 8, 'strtab': 16}),
           'vc_data': (VC[1], {'vc_screenbuf': 0x90, 'vc_screenbuf_size': 0x9c})}
DESC_BITS, TEXT_BITS = 6, 14
CRASH_KERNEL = (0x12400000, 0x12600000)
NOTE_BYTES, VMCOREINFO_NOTE_BYTES = 368, 4132
VMALLOC = {4: 0xffffc90000000000, 5: 0xffa0000000000000}
CPU_ENTRY_AREA = 0xfffffe0000000000


class Symbols:
    """
    @reserve: whether there is a crash kernel's reservation. @e820: {symbol: [(start, length, type)]}, the firmware's maps; then
    the tree of resources leads nowhere. @without: symbols that the table lacks; @more: more of them, at places in OBJECTS.
    @panic_cpu: the CPU that panics, -1: none does yet. Changes the machine's memory and its VMCOREINFO.
    """

    def __init__(self, m, reserve=True, stack_pages=4, e820=None, without=(), more=(), panic_cpu=PANIC_CPU, old_consoles=False,
                 types=True, module_symbols=('other', 'pvpanic_lock')):
        self.m, self.table = m, {'_stext': m.stext}
        m.ram.write(IMAGE_PADDR + KALLSYMS, bytes(0x90000))
        self._ring()
        self._resources(reserve)
        if e820:
            self._e820(e820)
        self._stacks(stack_pages)
        self._per_cpu()
        for name, off in (('vmcoreinfo_note', VMCOREINFO_NOTE), ('vmcoreinfo_data', VMCOREINFO_DATA)):
            self.table[name] = self._pointer(off)
        self.table['vmcoreinfo_size'] = self._var(struct.pack('<Q', 1000))
        self.table['panic_cpu'] = self._var(struct.pack('<i', panic_cpu))
        self._objects(old_consoles)
        self._modules(module_symbols)
        if types:
            self._types()
        for name in without:
            del self.table[name]
        self.twins = [(name, m.image_vaddr(OBJECTS + off)) for name, off in more]
        self._kallsyms()

    def at(self, off, raw):
        self.m.ram.write(IMAGE_PADDR + off, raw)

    def _var(self, raw):
        self.next_var = getattr(self, 'next_var', VARS)
        off = self.next_var
        self.next_var += -(-len(raw) // 64) * 64
        self.at(off, raw)
        return self.m.image_vaddr(off)

    def _pointer(self, off):
        return self._var(struct.pack('<Q', self.m.image_vaddr(off)))

    def _say(self, text):
        self.m.vmcoreinfo += text.encode()

    def _ring(self):
        v = self.m.image_vaddr
        self.at(RING, struct.pack('<QQQQQ', DESC_BITS, v(DESCS), v(INFOS), 0x1007, 0x1000))
        self.at(RING + 48, struct.pack('<QQ', TEXT_BITS, v(TEXT)))
        self._say(f'SYMBOL(prb)={self._pointer(RING):x}\n{RING_KEYS}')

    def _resources(self, reserve):
        """struct resource: start, end, name, flags, desc, parent, sibling, child"""
        def place(i):
            return IOMEM + 0x100 + i * 64
        names, out = IOMEM + 0x1000, []
        for i, (start, end) in enumerate(RANGES):
            has_child = reserve and start <= CRASH_KERNEL[0] < end
            sibling = self.m.image_vaddr(place(i + 1)) if i + 1 < len(RANGES) else 0
            child = self.m.image_vaddr(place(len(RANGES))) if has_child else 0
            out.append((start, end - 1, names, sibling, child))
        out.append((CRASH_KERNEL[0], CRASH_KERNEL[1] - 1, names + 32, 0, 0))
        for i, (start, last, name, sibling, child) in enumerate(out):
            self.at(place(i), struct.pack('<8Q', start, last, self.m.image_vaddr(name), 0, 0, 0, sibling, child))
        self.at(names, b'System RAM\0'.ljust(32, b'\0') + b'Crash kernel\0')
        self.at(IOMEM, struct.pack('<8Q', 0, (1 << 52) - 1, 0, 0, 0, 0, 0, self.m.image_vaddr(place(0))))
        self.table['iomem_resource'] = self.m.image_vaddr(IOMEM)

    def _e820(self, tables):
        """struct e820_table behind a pointer; crashk_res, which the tree had."""
        for symbol, entries in tables.items():
            raw = struct.pack('<I', len(entries)) + b''.join(struct.pack('<QQI', *e) for e in entries)
            self.table[symbol] = self._var(struct.pack('<Q', self._var(raw)))
        self.table['crashk_res'] = self._var(struct.pack('<8Q', CRASH_KERNEL[0], CRASH_KERNEL[1] - 1, *[0] * 6))
        self.at(IOMEM + 56, struct.pack('<Q', 0x4141414141414141))

    def _stacks(self, nr_pages):
        """One of @nr_pages for each CPU, and one of two pages for its NMIs; of pages that are scattered."""
        m = self.m
        frames = iter([pfn for pfn, cls in sorted(m.classes.items())
                       if cls == 'kernel' and pfn not in m.structures and pfn % 3 == 0 and pfn * PAGE < CRASH_KERNEL[0]])
        self.stacks, self.nmi_stacks = [], []
        for cpu in range(m.cpus):
            for base, nr, out in ((VMALLOC[m.levels] + cpu * 0x10000, nr_pages, self.stacks),
                                  (CPU_ENTRY_AREA + 0x5000 + cpu * 0x3b000, 2, self.nmi_stacks)):
                out.append((base, [next(frames) for _ in range(nr)]))
                for i, pfn in enumerate(out[-1][1]):
                    m.tables.map(base + i * PAGE, pfn * PAGE, PAGE, m.tables.NX)

    def _per_cpu(self):
        m = self.m
        self.table['__per_cpu_offset'] = self._var(b''.join(struct.pack('<Q', m.image_vaddr(PER_CPU + cpu * PER_CPU_STEP))
                                                            for cpu in range(m.cpus)))
        self.table['nr_cpu_ids'] = self._var(struct.pack('<I', m.cpus))
        self.table['crash_notes'] = self._var(struct.pack('<Q', CPU_NOTES))
        self.table.update(cpu_tss_rw=CPU_TSS, irq_stack_backing_store=CPU_IRQ_STACK, behind_the_irq_stack=CPU_END,
                          __preempt_count=CPU_PREEMPT_COUNT, current_task=CPU_TASK)
        for cpu in range(m.cpus):
            task = m.image_vaddr(OBJECTS + TASKS[0] + cpu * TASKS[1])
            self.at(PER_CPU + cpu * PER_CPU_STEP + CPU_TASK, struct.pack('<Q', task))
        for cpu, (base, pages) in enumerate(self.nmi_stacks):
            self.at(PER_CPU + cpu * PER_CPU_STEP + CPU_TSS + 44, struct.pack('<Q', base + len(pages) * PAGE))

    def _objects(self, old_consoles):
        """What printk() and the consoles keep, and the symbol behind each. Two consoles, ttyS1 and tty0 on the 2nd screen."""
        def at(place, off=0):
            return self.m.image_vaddr(OBJECTS + place[0] + off)
        for name, place, nr in (('console_sem', CONSOLE_SEM, 1), ('console_locked', CONSOLE_LOCKED, 16), ('text.3', TEXT_BUFFER, 1),
                                ('serial8250_ports', PORTS, 4), ('vc_cons', VC_CONS, 2)):
            self.table[name], self.table[f'behind_{name}'] = at(place), at(place, nr * place[1])
        node = STRUCTS['console'][1]['next' if old_consoles else 'node']
        to = 0 if old_consoles else node
        for i, (name, index) in enumerate(((b'ttyS', 1), (b'tty', 0))):
            off = OBJECTS + CONSOLES[0] + i * CONSOLES[1]
            self.at(off, name.ljust(16, b'\0'))
            self.at(off + 0x42, struct.pack('<h', index))
            self.at(off + node, struct.pack('<Q', 0 if i else at(CONSOLES, CONSOLES[1] + to)))
        self.table['console_drivers' if old_consoles else 'console_list'] = self._var(struct.pack('<Q', at(CONSOLES, to)))
        self.table['fg_console'] = self._var(struct.pack('<I', 1))
        self.at(OBJECTS + VC_CONS[0] + VC_CONS[1], struct.pack('<Q', at(VC)))
        self.at(OBJECTS + VC[0] + 0x90, struct.pack('<QII', at(SCREEN), 0, SCREEN[1]))

    def _modules(self, names):
        """Two modules, each with the symbols @names, of which the last is the one that counts; the 2nd is pvpanic."""
        def at(off):
            return self.m.image_vaddr(OBJECTS + MODULES + off)
        self.table['modules'] = at(0)
        self.at(OBJECTS + MODULES, struct.pack('<Q', at(0x108)))
        for i, (name, link) in enumerate(((b'pvpanic_mmio', 0x208), (b'pvpanic', 0))):
            base = 0x100 * (i + 1)
            self.at(OBJECTS + MODULES + base + 8, struct.pack('<Q', at(link)))
            self.at(OBJECTS + MODULES + base + 24, name + b'\0')
            self.at(OBJECTS + MODULES + base + 0x60, struct.pack('<Q', at(0x300 + 32 * i)))
            # pvpanic's last symbol is at MODULE_LOCK; all others are elsewhere.
            last = MODULE_LOCK[0] - MODULES - (0 if i else 0x800)
            table = b''.join(struct.pack('<IBBHQQ', 40 * k, 1, 0, 5, at(last - 64 * (len(names) - 1 - k)), MODULE_LOCK[1])
                             for k in range(len(names)))
            self.at(OBJECTS + MODULES + 0x400 + 0x200 * i, table)
            self.at(OBJECTS + MODULES + 0x800, b''.join(text.encode().ljust(40, b'\0') for text in names))
            self.at(OBJECTS + MODULES + 0x300 + 32 * i, struct.pack('<QQQ', at(0x400 + 0x200 * i), len(names), at(0x800)))

    def _types(self):
        """BTF of structs whose members are all of the one type there is beside them, an int."""
        strings, types = b'\0', struct.pack('<IIII', 0, 1 << 24, 4, 32)
        for name, (size, members) in STRUCTS.items():
            body = b''
            for member, off in members.items():
                body += struct.pack('<III', len(strings), 1, off * 8)
                strings += member.encode() + b'\0'
            types += struct.pack('<III', len(strings), 4 << 24 | len(members), size) + body
            strings += name.encode() + b'\0'
        raw = struct.pack('<HBBIIIII', 0xeb9f, 1, 0, 24, 0, len(types), len(types), len(strings)) + types + strings
        self.at(BTF, raw)
        self.table['__start_BTF'], self.table['__stop_BTF'] = self.m.image_vaddr(BTF), self.m.image_vaddr(BTF + len(raw))

    def _kallsyms(self):
        """Every token is one character. Offsets as KALLSYMS_ABSOLUTE_PERCPU has them."""
        m = self.m
        table = sorted([*self.table.items(), *self.twins], key=lambda item: item[1])
        names = b''.join(bytes([len(n) + 1]) + b'T' + n.encode() for n, _ in table)
        offsets = b''.join(struct.pack('<i', v if v < 1 << 31 else m.stext - 1 - v) for _, v in table)
        tokens = b''.join(bytes([max(i, 1)]) + b'\0' for i in range(256))
        for off, raw in ((0, names), (0x2000, tokens), (0x3000, struct.pack('<256H', *range(0, 512, 2))), (0x4000, offsets),
                         (0x5000, struct.pack('<I', len(table))), (0x5008, struct.pack('<Q', m.stext))):
            self.at(KALLSYMS + off, raw)
        for name, off in (('names', 0), ('token_table', 0x2000), ('token_index', 0x3000), ('offsets', 0x4000),
                          ('num_syms', 0x5000), ('relative_base', 0x5008)):
            self._say(f'SYMBOL(kallsyms_{name})={m.image_vaddr(KALLSYMS + off):x}\n')

    def notes(self, qemu_cr3=None, vmcoreinfo=True, nr_qemu=None):
        """Registers of each CPU, in its stack; and QEMU's note for each, or for @nr_qemu, where @qemu_cr3 says what CR3 holds."""
        out = b''
        for base, pages in self.stacks:
            desc = bytearray(336)
            struct.pack_into('<Q', desc, 112 + 16 * 8, self.m.stext + 0x1234)
            struct.pack_into('<Q', desc, 112 + 19 * 8, base + len(pages) * PAGE - 0x98)
            out += note(b'CORE', 1, bytes(desc))
        for _ in self.stacks[:nr_qemu] if qemu_cr3 else ():
            desc = bytearray(440)
            struct.pack_into('<II', desc, 0, 1, 440)
            struct.pack_into('<Q', desc, 136, self.m.stext + 0x1234)
            struct.pack_into('<Q', desc, 416, qemu_cr3)
            out += note(b'QEMU', 0, bytes(desc))
        return out + (note(b'VMCOREINFO', 0, self.m.vmcoreinfo) if vmcoreinfo else b'')

    def written_by_the_crash(self):
        """(physical address, length) of what the kernel writes on its way into the capture kernel, by name."""
        image = IMAGE_PADDR
        out = {'ring header': (image + RING, 80), 'descriptors': (image + DESCS, 24 << DESC_BITS),
               'infos': (image + INFOS, 88 << DESC_BITS), 'text buffer': (image + TEXT, 1 << TEXT_BITS),
               'vmcoreinfo note': (image + VMCOREINFO_NOTE, VMCOREINFO_NOTE_BYTES), 'vmcoreinfo data': (image + VMCOREINFO_DATA, PAGE)}
        objects = image + OBJECTS
        for name, place in (('console_sem', CONSOLE_SEM), ('console_locked', CONSOLE_LOCKED), ('console_text', TEXT_BUFFER), ('vc_data', VC),
                            ('screen', SCREEN), ("module's lock", MODULE_LOCK)):
            out[name] = objects + place[0], place[1]
        for i in range(2):
            out[f'console {i}'] = objects + CONSOLES[0] + i * CONSOLES[1], CONSOLES[1]
        out['port 1'] = objects + PORTS[0] + PORTS[1], PORTS[1]
        out['task'] = objects + TASKS[0] + PANIC_CPU * TASKS[1], TASKS[1]
        out['preempt count'] = image + PER_CPU + PANIC_CPU * PER_CPU_STEP + CPU_PREEMPT_COUNT, 4
        for cpu in range(self.m.cpus):
            area = image + PER_CPU + cpu * PER_CPU_STEP
            out[f'crash note {cpu}'] = area + CPU_NOTES, NOTE_BYTES
            out[f'irq stack {cpu}'] = area + CPU_IRQ_STACK, 4 * PAGE
            for kind, stacks in (('stack', self.stacks), ('nmi stack', self.nmi_stacks)):
                for i, pfn in enumerate(stacks[cpu][1]):
                    out[f'{kind} {cpu}, page {i}'] = pfn * PAGE, PAGE
        return out
