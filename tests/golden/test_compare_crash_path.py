# SPDX-License-Identifier: GPL-2.0-or-later
"""A hypervisor's dump of before the jump: what the crash still wrote is explained if it is proved, to the byte."""
import pytest

import elfcore
import judges
import pairs
import symbols
import vmcore
from kdump import PAGE
from vmcore import IMAGE_PADDR

OURS, THEIRS = IMAGE_PADDR + vmcore.OFF_PGD, symbols.CRASH_KERNEL[0] + 0x3000


class Crash:
    """A machine, its memory when the hypervisor stopped it, and the same after the crash wrote @spans."""

    def __init__(self, innercore, folder, levels=4, **options):
        self.innercore, self.folder = innercore, folder
        self.m = vmcore.Machine(style='6.1', levels=levels, negative_phys_base=False, seed=11)
        self.symbols = symbols.Symbols(self.m, **options)

    def before(self, cr3=OURS):
        return elfcore.write(self.folder / 'outer', pairs.outer_loads(self.m), self.symbols.notes(cr3), qemu=True)

    def write(self, spans):
        for paddr, length in spans:
            for at in (paddr, paddr + length // 2, paddr + length - 1):
                self.m.ram.write(at, bytes([self.m.ram.read(at, 1)[0] ^ 0x55]))

    def after(self):
        src = elfcore.write(self.folder / 'vmcore', elfcore.standard(self.m), self.symbols.notes())
        assert judges.capture(self.innercore, src, self.folder / 'inner', 'zstd', 31).code == 0
        return self.folder / 'inner'


def pfns(spans):
    return {pfn for paddr, length in spans for pfn in (paddr // PAGE, (paddr + length // 2) // PAGE, (paddr + length - 1) // PAGE)}


@pytest.mark.parametrize('levels', (4, 5))
def test_what_the_crash_writes_is_explained(innercore, sanitized, scratch, levels):
    crash = Crash(innercore, scratch, levels)
    outer = crash.before()
    spans = list(crash.symbols.written_by_the_crash().values())
    # head_id, not the size or the place of a ring
    spans[0] = spans[0][0] + 24, 2
    crash.write(spans)
    r = pairs.compare(innercore, crash.after(), outer)
    assert (r.code, r.verdict) == (0, 'match'), [d for d in r.differences if d['cause'] == 'unexplained'] or r
    assert r.pages['causes']['crash_path'] == r.pages['differ_explained'] == len(pfns(spans))
    assert {d['pfn'] for d in r.differences} <= pfns(spans)
    assert {d['cause'] for d in r.differences} == {'crash_path'}
    text = pairs.run(sanitized, '--html', scratch / 'page.html', scratch / 'inner', outer)
    assert text.returncode == 0 and b'crash path' in text.stdout


def test_each_span_ends_where_it_ends(innercore, scratch):
    """One byte before or behind: another variable on the same page."""
    crash = Crash(innercore, scratch)
    outer = crash.before()
    spans = crash.symbols.written_by_the_crash()
    beside = {}
    for name in ('ring header', 'descriptors', 'infos', 'text', 'vmcoreinfo note', 'vmcoreinfo data', 'crash note 0', 'crash note 1'):
        paddr, length = spans[name]
        beside[name] = paddr + length if name != 'crash note 1' else paddr - 1
    for at in beside.values():
        crash.m.ram.write(at, bytes([crash.m.ram.read(at, 1)[0] ^ 1]))
    r = pairs.compare(innercore, crash.after(), outer)
    assert r.code == 1 and 'crash_path' not in r.pages['causes'], r
    assert {d['pfn'] for d in r.differences if d['cause'] == 'unexplained'} == {at // PAGE for at in beside.values()}


@pytest.mark.parametrize('what', ('jumped', 'no registers', 'no reservation', 'large run'))
def test_what_is_not_proved_is_unexplained(innercore, scratch, what):
    crash = Crash(innercore, scratch, reserve=what != 'no reservation', stack_pages=9 if what == 'large run' else 4)
    outer = crash.before({'jumped': THEIRS, 'no registers': None}.get(what, OURS))
    spans = crash.symbols.written_by_the_crash()
    spans = [spans['text'], spans['stack 0, page 1']]
    crash.write(spans)
    r = pairs.compare(innercore, crash.after(), outer)
    assert r.code == 1, r
    if what == 'large run':
        assert r.pages['unexplained_ranges'] == [[spans[1][0] // PAGE, spans[1][0] // PAGE + 1]], r
    else:
        assert r.pages['differ_unexplained'] == len(pfns(spans)) and 'crash_path' not in r.pages['causes']
