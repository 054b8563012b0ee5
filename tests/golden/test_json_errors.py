# SPDX-License-Identifier: GPL-2.0-or-later
"""A program that asked for JSON gets JSON, also where a command fails: an object with the key "error"."""
import json
import os
import subprocess

import pytest

import elfcore
import judges
import pairs
import symbols
import vmcore


def run(binary, *argv):
    return subprocess.run([binary, *argv], capture_output=True, env=judges.environment(), timeout=100, stdin=subprocess.DEVNULL)


def commands(bad, scratch):
    out = scratch / 'out'
    return {'info': ['info', bad], 'dmesg': ['dmesg', bad], 'verify': ['verify', '-q', bad], 'compare': ['compare', bad, bad],
            'repair': ['repair', '-o', out, bad], 'repair in place': ['repair', '--in-place', bad],
            'capture': ['capture', '-q', bad, out], 'status': ['status', '-c', bad], 'arm': ['arm', '-n', '-c', bad],
            'mkinitramfs': ['mkinitramfs', '-c', bad, '-o', out]}


@pytest.mark.parametrize('command', commands('', __import__('pathlib').Path('/')))
@pytest.mark.parametrize('name', (b'text', b'no "such\n\xff file'))
def test_an_object_with_the_error(innercore, sanitized, scratch, command, name):
    bad = os.fsencode(scratch) + b'/' + name
    if name == b'text' or command == 'status':  # without a configuration there is still a status
        with open(bad, 'wb') as f:
            f.write(b'nonsense\n')
    argv = commands(bad, scratch)[command]
    for binary in (innercore, sanitized):
        plain, as_json = run(binary, *argv), run(binary, argv[0], '--json', *argv[1:])
        assert plain.returncode == as_json.returncode in (1, 2, 4, 5), (plain, as_json)
        assert b'error: ' in as_json.stderr and as_json.stderr == plain.stderr, (plain, as_json)
        report = json.loads(as_json.stdout)
        if command not in ('status', 'capture'):  # these two have more to say
            assert list(report) == ['error'], report
        said = as_json.stderr.split(b'error: ', 1)[1].rstrip(b'\n').split(b'\n')[0].decode(errors='replace')
        assert report['error'].startswith(said.split('\ufffd')[0][:60]), (report, said)


def test_no_log(innercore, cores, scratch):
    """A dump, but nothing tells of its log."""
    _, src = cores.standard(style='6.12')
    done = run(innercore, 'dmesg', '--json', src)
    assert done.returncode == 2 and list(json.loads(done.stdout)) == ['error'], done


def test_a_log_is_an_array(innercore, scratch):
    m = vmcore.Machine(style='6.1', levels=4, negative_phys_base=False)
    src = elfcore.write(scratch / 'core', elfcore.standard(m), symbols.Symbols(m).notes())
    done = run(innercore, 'dmesg', '--json', src)
    assert done.returncode == 0 and isinstance(json.loads(done.stdout), list), done


def test_incomparable_is_an_answer(innercore, scratch):
    """Exit 2 as for an error, but the report is whole and says why."""
    m, other = vmcore.Machine(seed=1), vmcore.Machine(seed=2, style='6.12')
    a = elfcore.write(scratch / 'a', elfcore.standard(m), m.notes())
    b = elfcore.write(scratch / 'b', elfcore.standard(other), other.notes())
    r = pairs.compare(innercore, a, b)
    assert r.code == 2 and r.verdict == 'incomparable' and r.report['why'] and 'error' not in r.report, r
