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

    def before(self, cr3=OURS, cr3_of=None):
        """@cr3_of: how many CPUs QEMU tells that of."""
        notes = self.symbols.notes(cr3, nr_qemu=cr3_of)
        return elfcore.write(self.folder / 'outer', pairs.outer_loads(self.m), notes, qemu=True)

    def write(self, spans):
        for paddr, length in spans:
            for at in (paddr, paddr + length // 2, paddr + length - 1):
                self.m.ram.write(at, bytes([self.m.ram.read(at, 1)[0] ^ 0x55]))

    def after(self):
        src = elfcore.write(self.folder / 'vmcore', elfcore.standard(self.m), self.symbols.notes())
        (self.folder / 'inner').unlink(missing_ok=True)
        assert judges.capture(self.innercore, src, self.folder / 'inner', 'zstd', 31).code == 0
        return self.folder / 'inner'


def pfns(spans):
    return {pfn for paddr, length in spans for pfn in (paddr // PAGE, (paddr + length // 2) // PAGE, (paddr + length - 1) // PAGE)}


@pytest.mark.parametrize('levels, old_consoles', ((4, True), (5, False)))
def test_what_the_crash_writes_is_explained(innercore, sanitized, scratch, levels, old_consoles):
    crash = Crash(innercore, scratch, levels, old_consoles=old_consoles)
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


def flip(crash, *places):
    for at in places:
        crash.m.ram.write(at, bytes([crash.m.ram.read(at, 1)[0] ^ 1]))


def unexplained(report):
    return {d['pfn'] for d in report.differences if d['cause'] == 'unexplained'}


@pytest.mark.parametrize('where', ('before', 'behind'))
def test_each_span_ends_where_it_ends(innercore, scratch, where):
    """One byte before or behind: another variable on the same page, or a gap."""
    crash = Crash(innercore, scratch)
    outer = crash.before()
    spans = crash.symbols.written_by_the_crash()
    names = ['ring header', 'descriptors', 'infos', 'text buffer', 'vmcoreinfo note', 'vmcoreinfo data', 'crash note 0', 'console_sem',
             'console_locked', 'console_text', 'vc_data', 'screen', 'port 1', 'preempt count', "module's lock"]
    names += ['crash note 1', 'console 0', 'task'] if where == 'before' else ['console 1', 'task']
    beside = [paddr - 1 if where == 'before' else paddr + length for paddr, length in map(spans.get, names)]
    while beside:
        # Each alone on its page, or one could hide behind another.
        alone = {at // PAGE: at for at in beside}
        flip(crash, *alone.values())
        r = pairs.compare(innercore, crash.after(), outer)
        assert r.code == 1 and 'crash_path' not in r.pages['causes'] and unexplained(r) == alone.keys(), r
        flip(crash, *alone.values())
        beside = [at for at in beside if at not in alone.values()]


OBJECT_OPTIONS = {
    'nobody panics': ({'panic_cpu': -1}, ('preempt count', 'task')),
    'no such CPU': ({'panic_cpu': 2}, ('preempt count', 'task')),
    'other CPU panics': ({'panic_cpu': 0}, ('preempt count', 'task')),
    'no types': ({'types': False}, ('task', 'console 0', 'console 1', 'port 1', 'vc_data', 'screen', "module's lock")),
    'two of a name in a module': ({'module_symbols': ('pvpanic_lock', 'pvpanic_lock')}, ("module's lock",)),
    'module without the symbol': ({'module_symbols': ('pvpanic_loc', 'pvpanic_locks')}, ("module's lock",)),
    'two of a name': ({'more': [('console_sem', 0x600), ('text.12', 0x1000)]}, ('console_sem', 'console_text')),
    'not of that size': ({'more': [('anything', 0xba00)]}, ('console_text',)),
    'ends earlier': ({'more': [('anything', 8)]}, ('console_sem',)),
    'ports end earlier': ({'more': [('anything', symbols.PORTS[0] + symbols.PORTS[1] + 8)]}, ('port 1',)),
}


@pytest.mark.parametrize('what', OBJECT_OPTIONS)
def test_an_object_that_is_not_proved_is_unexplained(innercore, scratch, what):
    """And the others are explained as ever."""
    options, names = OBJECT_OPTIONS[what]
    crash = Crash(innercore, scratch, **options)
    outer = crash.before()
    spans = {name: span for name, span in crash.symbols.written_by_the_crash().items() if name != 'ring header'}
    crash.write(spans.values())
    r = pairs.compare(innercore, crash.after(), outer)
    assert r.code == 1, r
    assert unexplained(r) == pfns([spans[name] for name in names]), r


def test_the_other_cpus_objects_are_unexplained(innercore, scratch):
    """Only the CPU that panics still writes its per-CPU variables and its task, and only its console the port."""
    crash = Crash(innercore, scratch)
    outer = crash.before()
    spans = crash.symbols.written_by_the_crash()
    others = [spans['preempt count'][0] - symbols.PER_CPU_STEP, spans['task'][0] - symbols.TASKS[1], spans['port 1'][0] - symbols.PORTS[1]]
    flip(crash, *others)
    r = pairs.compare(innercore, crash.after(), outer)
    assert r.code == 1 and unexplained(r) == {at // PAGE for at in others}, r


def test_a_cpu_without_registers_may_have_jumped(innercore, scratch):
    crash = Crash(innercore, scratch)
    outer = crash.before(cr3_of=1)
    crash.write([crash.symbols.written_by_the_crash()['text buffer']])
    r = pairs.compare(innercore, crash.after(), outer)
    assert r.code == 1 and 'crash_path' not in r.pages['causes'], r


@pytest.mark.parametrize('what', ('jumped', 'no registers', 'no reservation', 'large run'))
def test_what_is_not_proved_is_unexplained(innercore, scratch, what):
    crash = Crash(innercore, scratch, reserve=what != 'no reservation', stack_pages=9 if what == 'large run' else 4)
    outer = crash.before({'jumped': THEIRS, 'no registers': None}.get(what, OURS))
    spans = crash.symbols.written_by_the_crash()
    spans = [spans['text buffer'], spans['stack 0, page 1']]
    crash.write(spans)
    r = pairs.compare(innercore, crash.after(), outer)
    assert r.code == 1, r
    if what == 'large run':
        assert r.pages['unexplained_ranges'] == [[spans[1][0] // PAGE, spans[1][0] // PAGE + 1]], r
    else:
        assert r.pages['differ_unexplained'] == len(pfns(spans)) and 'crash_path' not in r.pages['causes']
