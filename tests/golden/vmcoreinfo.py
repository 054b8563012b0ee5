# SPDX-License-Identifier: GPL-2.0-or-later
"""VMCOREINFO of a synthetic machine, with the keys, their order and the numbers of real 6.1 and 6.12 kernels."""

from vmcore import BUILD_ID, CRASHTIME, OFF_NODE_MAP, OFF_PGD, OFF_SECTION_POINTER, OFF_UTS

COMMON_LAYOUT = '''SIZE(mem_section)=16
OFFSET(mem_section.section_mem_map)=0
NUMBER(SECTION_SIZE_BITS)=27
NUMBER(MAX_PHYSMEM_BITS)={physmem_bits}
SIZE(page)=64
SIZE(pglist_data)=174208
SIZE(zone)=1536
SIZE(free_area)=88
SIZE(list_head)=16
SIZE(nodemask_t)=128
OFFSET(page.flags)=0
OFFSET(page._refcount)=52
OFFSET(page.mapping)=24
OFFSET(page.lru)=8
OFFSET(page._mapcount)=48
OFFSET(page.private)=40
'''
COMPOUND_6_1 = '''OFFSET(page.compound_dtor)=16
OFFSET(page.compound_order)=17
'''
LAYOUT_TAIL = '''OFFSET(page.compound_head)=8
OFFSET(pglist_data.node_zones)=0
OFFSET(pglist_data.nr_zones)=171552
OFFSET(pglist_data.node_start_pfn)=171560
OFFSET(pglist_data.node_spanned_pages)=171576
OFFSET(pglist_data.node_id)=171584
OFFSET(zone.free_area)=256
OFFSET(zone.vm_stat)=1344
OFFSET(zone.spanned_pages)=144
OFFSET(free_area.free_list)=0
OFFSET(list_head.next)=0
OFFSET(list_head.prev)=8
LENGTH(zone.free_area)=11
LENGTH(free_area.free_list)=5
NUMBER(NR_FREE_PAGES)=0
'''
NUMBERS_6_1 = '''NUMBER(PG_lru)=4
NUMBER(PG_private)=13
NUMBER(PG_swapcache)=10
NUMBER(PG_swapbacked)=19
NUMBER(PG_slab)=9
NUMBER(PG_hwpoison)=23
NUMBER(PG_head_mask)=65536
NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-129
NUMBER(HUGETLB_PAGE_DTOR)=2
NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)=-257
'''
NUMBERS_6_12 = '''NUMBER(PG_lru)=5
NUMBER(PG_private)=14
NUMBER(PG_swapcache)=10
NUMBER(PG_swapbacked)=17
NUMBER(PAGE_SLAB_MAPCOUNT_VALUE)=-184549376
NUMBER(PG_hwpoison)=20
NUMBER(PG_head_mask)=64
NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-268435456
NUMBER(PAGE_HUGETLB_MAPCOUNT_VALUE)=-201326592
NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)=-251658240
'''


def text(m):
    """VMCOREINFO of Machine @m, bytes."""
    is_6_1 = m.style.name == '6.1'
    section = m.image_vaddr(OFF_SECTION_POINTER) if m.mem_section == 'pointer' else m.roots_vaddr
    out = [f'OSRELEASE={m.uts[2]}\nBUILD-ID={BUILD_ID}\nPAGESIZE=4096\n',
           f'SYMBOL(init_uts_ns)={m.image_vaddr(OFF_UTS):x}\nOFFSET(uts_namespace.name)=0\n',
           f'SYMBOL(node_online_map)={m.image_vaddr(OFF_NODE_MAP):x}\n',
           f'SYMBOL(swapper_pg_dir)={m.image_vaddr(OFF_PGD):x}\nSYMBOL(_stext)={m.stext:x}\n']
    if not is_6_1 and m.vmemmap_mode != 'none':
        out.append(f'SYMBOL(vmemmap)={m.vmemmap:x}\n')
    out += [f'SYMBOL(mem_section)={section:x}\nLENGTH(mem_section)={m.nr_roots}\n',
            COMMON_LAYOUT.format(physmem_bits=m.physmem_bits), COMPOUND_6_1 if is_6_1 else '', LAYOUT_TAIL,
            NUMBERS_6_1 if is_6_1 else NUMBERS_6_12,
            f'NUMBER(phys_base)={m.phys_base}\nSYMBOL(init_top_pgt)={m.image_vaddr(OFF_PGD):x}\n',
            f'NUMBER(pgtable_l5_enabled)={int(m.levels == 5)}\n',
            f'KERNELOFFSET={m.kernel_offset:x}\nNUMBER(KERNEL_IMAGE_SIZE)=1073741824\n',
            f'NUMBER(sme_mask)={m.sme_mask}\nCRASHTIME={CRASHTIME}\n']
    return ''.join(out).encode()
