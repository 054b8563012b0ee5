# SPDX-License-Identifier: GPL-2.0-or-later
"""Standard streams that are closed or full: nothing of a message may reach a dump, and no answer may be lost unsaid."""
import subprocess

import pytest


def run(script, *argv):
    done = subprocess.run(['sh', '-c', script, 'sh', *argv], stderr=subprocess.PIPE, text=True, timeout=60)
    return done.returncode, done.stderr


@pytest.mark.parametrize('closed', ('0<&-', '1>&-', '0<&- 1>&-', '0<&- 2>&-', '1>&- 2>&-', '0<&- 1>&- 2>&-'))
def test_closed_streams_do_not_reach_the_dump(innercore, cores, scratch, closed):
    _, src = cores.standard(style='6.1')
    want = scratch / 'want'
    assert run('"$@" 2>/dev/null', innercore, 'capture', src, str(want))[0] == 0
    got = scratch / 'got'
    assert run(f'"$@" {closed}', innercore, 'capture', src, str(got))[0] == 0
    assert got.read_bytes() == want.read_bytes()


@pytest.mark.parametrize('command', (('status', '-c', '/nonexistent'), ('--version',), ('--help',), ('info', '--help')))
def test_full_standard_output_is_an_error(innercore, command):
    code, text = run('"$@" >/dev/full', innercore, *command)
    assert code == 5 and 'cannot write to standard output' in text
