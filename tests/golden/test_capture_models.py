# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel model: page tables, phys_base, memory map, in all the shapes that x86_64 kernels give them."""
import pytest

import judges
from kdump import Kdump
from test_capture_levels import classes_agree

MODELS = {
    '4 levels': dict(levels=4),
    '5 levels': dict(levels=5),
    'positive phys_base': dict(negative_phys_base=False),
    'memory encryption bit 47': dict(sme_mask=1 << 47),
    'memory encryption bit 51': dict(sme_mask=1 << 51, levels=4),
    'pointer to mem_section': dict(mem_section='pointer'),
    'pointer to mem_section, 4 levels': dict(mem_section='pointer', levels=4),
    'mem_section roots in the image': dict(mem_section='static', levels=4),
    'mem_section without roots': dict(mem_section='flat', levels=4),
    'vmemmap by pages': dict(vmemmap='4K'),
    'optimized hugetlb vmemmap': dict(vmemmap='4K', fake_heads=True),
    'no vmemmap': dict(vmemmap='none'),
    'no vmemmap, 4 levels, sme': dict(vmemmap='none', levels=4, sme_mask=1 << 47),
    'section flag bit 5': dict(section_flags=0x20),
    'section flag bits up to 11': dict(section_flags=0xffc),
    'one CPU': dict(cpus=1),
    '200 CPUs': dict(cpus=200),  # notes larger than many blocks
    'another seed': dict(seed=4711),
}


# Both styles for the common shapes, one each for the rest.
CASES = [(name, style) for i, name in enumerate(MODELS) for style in ('6.1', '6.12')
         if i < 2 or 'hugetlb' in name or ('6.1', '6.12')[i % 2] == style]


@pytest.mark.parametrize('model,style', CASES)
def test_model(innercore, sanitized, cores, scratch, model, style):
    m, src = cores.standard(style=style, peculiar=True, **MODELS[model])
    r = judges.capture(sanitized, src, scratch / 'out', 'lzo', 31)
    assert r.code == 0 and r.report['filtered'], r
    k = Kdump.open(scratch / 'out')
    assert k.stored == m.kept(31)
    assert k.phys_base == m.phys_base
    assert tuple(k.uts) == m.uts
    assert k.nr_cpus == m.cpus
    classes_agree(r.report, m)
    assert judges.Kdumpfile(scratch / 'out').differences(k.stored, m.ram.read) == {}


@pytest.mark.parametrize('model', [name for name in MODELS if 'section flag' not in name])
def test_makedumpfile_understands_the_model(cores, scratch, model):
    """Judges the generator: these machines are true ones."""
    m, src = cores.standard(style='6.1', **MODELS[model])
    code, text = judges.makedumpfile(src, scratch / 'out', 31)
    assert code == 0, text
    assert Kdump.open(scratch / 'out').stored == m.kept(31)


def test_vmcoreinfo_is_all_that_is_needed(innercore, cores, scratch):
    """No PT_LOAD tells where the kernel lies, none has virtual addresses."""
    import elfcore
    m = cores.machine(style='6.12')
    loads = [elfcore.Load(start, data) for start, data in m.ram.blocks]
    src = elfcore.write(scratch / 'src', loads, m.notes())
    r = judges.capture(innercore, src, scratch / 'out', 'lzo', 31)
    assert r.code == 0, r
    assert Kdump.open(scratch / 'out').stored == m.kept(31)


def test_wrong_virtual_addresses_do_no_harm(innercore, cores, scratch):
    import elfcore
    m = cores.machine(style='6.12')
    loads = [elfcore.Load(start, data, 0xffff880000000000 + start) for start, data in m.ram.blocks]
    src = elfcore.write(scratch / 'src', loads, m.notes())
    r = judges.capture(innercore, src, scratch / 'out', 'lzo', 31)
    assert r.code == 0, r
    assert Kdump.open(scratch / 'out').stored == m.kept(31)


def test_phys_base_from_the_load(innercore, cores, scratch):
    """Kernels before 4.10 do not say NUMBER(phys_base): the kernel's PT_LOAD does."""
    import elfcore
    import vmcore
    m = cores.machine(style='6.1')
    info = b'\n'.join(line for line in m.vmcoreinfo.split(b'\n') if b'phys_base' not in line)
    src = elfcore.write(scratch / 'src', elfcore.standard(m), vmcore.notes(2, info))
    r = judges.capture(innercore, src, scratch / 'out', 'lzo', 31)
    assert r.code == 0, r
    k = Kdump.open(scratch / 'out')
    assert k.stored == m.kept(31) and k.phys_base == m.phys_base
