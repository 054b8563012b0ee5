# SPDX-License-Identifier: GPL-2.0-or-later
"""Loads that lie where no memory can be, or where it hardly ever is: a broken or hostile header must not cost more than it holds."""
import json
import resource
import signal
import subprocess

import pytest

import elfcore
import judges
import vmcore
from kdump import INCOMPLETE, PAGE, Flattened, Kdump
from test_capture_faults import capture_into_tmpfs, needs_root, wait_until_blocked

PHYS_END = 1 << 52  # of x86_64
FAR = b'far away' * 2048  # four pages


def far_core(m, path, *places):
    loads = elfcore.standard(m) + [elfcore.Load(at, FAR, m.direct_map + at) for at in places]
    return elfcore.write(path, loads, m.notes())


def run(binary, *argv):
    done = subprocess.run([binary, *map(str, argv)], capture_output=True, text=True, timeout=60, env=judges.environment())
    if argv[0] != 'verify':  # which has a finding for it
        assert done.stderr.count('set aside') == 1 and '0x10000000000000' in done.stderr, done.stderr
    return done


# Where no memory can be.


@pytest.mark.parametrize('at', (0xe1 << 48, 0xe1 << 56, PHYS_END, (1 << 64) - 8192),
                         ids=lambda at: f'{at:x}')
def test_load_beyond_all_memory_is_set_aside(sanitized, cores, scratch, at):
    """The dump is that of the core without this load, and every command says what it did."""
    m, core = cores.standard(style='6.1')
    src = far_core(m, scratch / 'src', at)
    r = judges.capture(sanitized, src, scratch / 'out', 'zlib', 31)
    assert r.code == 0 and r.stderr.count('set aside') == 1, r
    assert judges.capture(sanitized, core, scratch / 'plain', 'zlib', 31).code == 0
    assert (scratch / 'out').read_bytes() == (scratch / 'plain').read_bytes()
    info = run(sanitized, 'info', '--json', src)
    assert info.returncode == 0 and json.loads(info.stdout)['elf']['beyond_bytes'] == len(FAR)
    assert run(sanitized, 'compare', '--json', scratch / 'out', src).returncode == 0
    assert run(sanitized, 'repair', '-o', scratch / 'mended', src).returncode == 0
    assert Kdump.open(scratch / 'mended').stored == set(m.ram.pfns())
    verify = run(sanitized, 'verify', src)
    assert verify.returncode == 0 and 'elf-beyond' in verify.stdout and '(program header 5)' in verify.stdout


def test_load_across_the_end_is_cut(sanitized, cores, scratch):
    m = cores.machine(style='6.1')
    src = far_core(m, scratch / 'src', PHYS_END - PAGE - 8)
    info = json.loads(run(sanitized, 'info', '--json', src).stdout)
    assert info['elf']['beyond_bytes'] == len(FAR) - PAGE - 8
    assert info['pages']['ram'] == len(m.classes) + 2


# Where it hardly ever is: the bitmaps are as wide as the highest address, and next to empty.


def is_true(m, at):
    """What reads the pages of @m and of the load at @at."""
    def content(paddr, length):
        return FAR[paddr - at:paddr - at + length] if paddr >= at else m.ram.read(paddr, length)
    return content


def seconds_of_cpu(limit):
    return lambda: resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))


@pytest.mark.parametrize('at', (1 << 40, PHYS_END - len(FAR)), ids=('1 TiB', '4 PiB'))
def test_gap_of_the_bitmaps_costs_nothing(innercore, cores, scratch, at):
    m = cores.machine(style='6.1')
    src = far_core(m, scratch / 'src', at)
    r = judges.capture(innercore, src, scratch / 'out', 'zlib', 31, preexec_fn=seconds_of_cpu(2))
    assert r.code == 0, r
    far = {(at + off) // PAGE for off in range(0, len(FAR), PAGE)}
    stat = (scratch / 'out').stat()
    assert stat.st_size > at // PAGE // 8 * 2 and stat.st_blocks * 512 < 16 * vmcore.MIB
    info = json.loads(subprocess.run([innercore, 'info', '--json', '--no-classes', str(scratch / 'out')], capture_output=True,
                                     timeout=60, check=True, preexec_fn=seconds_of_cpu(2)).stdout)
    assert info['complete'] and info['pages']['ram'] == len(m.classes) + len(far)
    assert info['pages']['stored'] == r.report['pages']['kept'] == len(m.kept(31) | far)
    done = subprocess.run([innercore, 'compare', '--json', str(scratch / 'out'), str(src)], capture_output=True, timeout=60,
                          preexec_fn=seconds_of_cpu(2))
    assert done.returncode == 0, done
    verify = subprocess.run([innercore, 'verify', '--json', str(scratch / 'out')], capture_output=True, timeout=60,
                            preexec_fn=seconds_of_cpu(2))
    found = {f['id'] for f in json.loads(verify.stdout)['findings'] if f['severity'] == 'error'}
    assert found == {'max-mapnr-memmap'}  # of this kernel, to which no such memory belongs
    if at < 1 << 42:  # it reads the bitmaps as a whole into memory
        assert judges.Kdumpfile(scratch / 'out').differences(m.kept(31) | far, is_true(m, at)) == {}
    # A stream needs not even seek.
    with open(scratch / 'stream', 'wb') as f:
        assert judges.capture(innercore, src, '-', 'zlib', 31, stdout=f, preexec_fn=seconds_of_cpu(2)).code == 0
    assert (scratch / 'stream').stat().st_size < 16 * vmcore.MIB
    done = subprocess.run([innercore, 'compare', '--json', str(scratch / 'stream'), str(src)], capture_output=True, timeout=60)
    assert done.returncode == 0, done


def test_bitmaps_longer_than_a_file_may_be(innercore, cores, scratch):
    src = far_core(cores.machine(style='6.1'), scratch / 'src', 1 << 42)

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * vmcore.MIB, 64 * vmcore.MIB))

    r = judges.capture(innercore, src, scratch / 'out', 'zlib', 31, preexec_fn=limit)
    assert r.code == 4 and r.report['saved'] is False
    assert r.stderr.splitlines()[-1].startswith('innercore: error: no room for the bitmaps of 4.0 TiB of addresses'), r.stderr
    assert 'File too large' in r.stderr and [f.name for f in scratch.iterdir()] == ['src']


def scattered_core(m, path):
    """A page in every 16 GiB: no stretch of the bitmaps is a gap, and they are a large part of what is written."""
    loads = elfcore.standard(m) + [elfcore.Load(at << 34, FAR[:PAGE], m.direct_map + (at << 34)) for at in range(1, 1000)]
    return elfcore.write(path, loads, m.notes())


@needs_root
def test_bitmaps_larger_than_the_free_space(innercore, cores, scratch):
    src = scattered_core(cores.machine(style='6.1'), scratch / 'src')
    r = capture_into_tmpfs(innercore, str(src), scratch, 128 * vmcore.MIB, 'zlib', 31)
    assert r.code == 4 and r.report['saved'] is False
    assert r.stderr.splitlines()[-1].startswith('innercore: error: no room for the bitmaps of 15.6 TiB of addresses'), r.stderr
    assert r.report['bytes']['written'] == 0 and list((scratch / 'full-after').iterdir()) == []


@pytest.mark.parametrize('number', (signal.SIGINT, signal.SIGTERM))
def test_stopped_within_the_bitmaps(innercore, cores, scratch, number):
    """No page is saved, but what was there before them is: a dump, marked incomplete."""
    m = cores.machine(style='6.1')
    src = scattered_core(m, scratch / 'src')
    argv = [innercore, 'capture', '-z', 'none', '-d', '31', '--json', '-q', str(src), '-']
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        raw = p.stdout.read(8 * vmcore.MIB)
        wait_until_blocked(p)
        p.send_signal(number)
        raw += p.stdout.read()
        stderr = p.stderr.read()
        assert p.wait(60) == 3
    assert len(raw) < 16 * vmcore.MIB  # of half a GiB
    report = json.loads(stderr[stderr.index(b'{'):])
    assert report['saved'] and not report['complete'] and report['why_incomplete'] == 'stopped before the end'
    assert report['pages']['unsaved'] == report['pages']['kept']
    flat = Flattened(raw)
    assert flat.ended and flat.trailing == 0
    (scratch / 'stream').write_bytes(raw)
    info = json.loads(subprocess.run([innercore, 'info', '--json', str(scratch / 'stream')], capture_output=True, timeout=60,
                                     check=True).stdout)
    assert not info['complete'] and info['pages']['stored'] == 0 and 'golden' in info['release']
    code, text = judges.rearrange(scratch / 'stream', scratch / 'out')
    assert code == 0, text
    with open(scratch / 'out', 'rb') as f:
        assert f.read(464)[424] & INCOMPLETE
    reader = judges.Kdumpfile(scratch / 'out')
    assert reader.read(vmcore.IMAGE_PADDR) == 'NoDataException' and 'golden' in reader.attr('linux.uts.release')
