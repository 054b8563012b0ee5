# SPDX-License-Identifier: GPL-2.0-or-later
"""compare on several threads: the same report to the letter, and bounded memory."""
import json
import subprocess
import time

import pytest

import elfcore
import judges
import pairs
import splitset
import vmcore
from kdump import PAGE
from vmcore import MIB

ANON_BUDGET = 64 * MIB


def report(binary, threads, inner, outer, *options):
    done = pairs.run(binary, '-j', threads, '--json', *options, inner, outer)
    r = json.loads(done.stdout)
    del r['seconds']
    return done.returncode, r, done.stderr


@pytest.fixture(scope='module')
def troubled(innercore, tmp_path_factory):
    """A pair with a bit of everything wrong: a split set without compression, and a flattened dump of lzo."""
    folder = tmp_path_factory.mktemp('troubled')
    m = vmcore.Machine(style='6.12', peculiar=True)
    src = elfcore.write(folder / 'vmcore', elfcore.standard(m), m.notes())
    # one page that is flipped must be one, not all that have its content
    assert judges.capture(innercore, src, folder / 'inner', 'none', 31, '--no-dedup').code == 0
    kept = [p for p in sorted(m.kept(31)) if any(m.ram.read(p * PAGE, PAGE))]
    for i in (3, 500, 501, 2000, len(kept) - 1):
        pairs.flip_kdump(folder / 'inner', kept[i] * PAGE + i % PAGE)
    pairs.drop_pages(folder / 'inner', {kept[i] for i in (10, 11, 1500, 2500)})
    pairs.punch_hole(folder / 'inner', kept[700])
    files = splitset.cut(folder / 'inner', folder, [kept[900] & ~63, kept[1800] & ~63])
    with open(folder / 'outer', 'wb') as f:
        assert judges.capture(innercore, pairs.outer_elf(folder / 'elf', m), '-', 'lzo', 0, stdout=f).code == 0
    (folder / 'set').mkdir()
    for path in files:
        path.rename(folder / 'set' / path.name)
    yield folder / 'set', folder / 'outer', folder / 'elf'
    for path in folder.rglob('*'):
        if path.is_file():
            path.unlink()


@pytest.mark.parametrize('outer', (1, 2), ids=('flattened lzo', 'elf'))
def test_the_same_report(innercore, troubled, outer):
    code, alone, _ = report(innercore, 1, troubled[0], troubled[outer])
    assert code == 1
    # the page behind the hole, those that were flipped, those dropped: all are there to be told in another order
    assert alone['pages']['differ_unexplained'] == 5 and alone['audit']['lost'] == 4 and alone['pages']['inner_unreadable'] == 1
    for threads in (2, 3, 8, 31):
        assert report(innercore, threads, troubled[0], troubled[outer]) == (code, alone, b'')


def test_sanitizers_on_threads(sanitized, troubled):
    assert report(sanitized, 4, troubled[0], troubled[1])[1]['pages']['differ_unexplained'] == 5


def peak_anon(argv):
    """(exit code, output, highest RssAnon seen)"""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=judges.environment()) as p:
        peak = samples = 0
        while p.poll() is None:
            with open(f'/proc/{p.pid}/status') as f:
                for line in f:
                    if line.startswith('RssAnon:'):
                        peak = max(peak, int(line.split()[1]) * 1024)
                        samples += 1
            time.sleep(0.005)
        out = p.stdout.read()
    assert samples > 10
    return p.returncode, out, peak


def big(m, path, loads, gib=4):
    hole = elfcore.Load(vmcore.FREE_START, b'', m.direct_map + vmcore.FREE_START, hole_len=gib << 30)
    return elfcore.write(path, [*loads, hole], m.notes())


def test_memory_of_4_gib(innercore, scratch):
    """Two threads; the inner dump is a KDUMP of a million descriptors, the outer one sparse and read in full."""
    m = vmcore.Machine(style='6.12', free_gib=4)
    outer = big(m, scratch / 'outer', elfcore.standard(m))
    assert judges.capture(innercore, outer, scratch / 'inner', 'zstd', 0).code == 0
    code, out, peak = peak_anon([innercore, 'compare', '-j', '2', '--json', scratch / 'inner', outer])
    r = json.loads(out)
    assert (code, r['pages']['equal']) == (0, len(m.kept(0)) + (4 << 30) // PAGE), r['pages']
    assert MIB < peak <= ANON_BUDGET, peak
    # not just seen so: what it may allocate at all, thread stacks and arenas included
    limited = subprocess.run(['prlimit', f'--data={ANON_BUDGET}', innercore, 'compare', '-j', '2', '--json', scratch / 'inner', outer],
                             capture_output=True, timeout=100)
    assert limited.returncode == 0, limited.stderr
