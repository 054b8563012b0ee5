# SPDX-License-Identifier: GPL-2.0-or-later
"""Loads that lie where no memory can be, or where it hardly ever is: a broken or hostile header must not cost more than it holds."""
import json
import subprocess

import pytest

import elfcore
import judges
from kdump import Kdump

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
    src = far_core(m, scratch / 'src', PHYS_END - 4096 - 8)
    info = json.loads(run(sanitized, 'info', '--json', src).stdout)
    assert info['elf']['beyond_bytes'] == len(FAR) - 4096 - 8
    assert info['pages']['ram'] == len(m.classes) + 2
