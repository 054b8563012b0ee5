# SPDX-License-Identifier: GPL-2.0-or-later
"""Standard streams that are closed or full: nothing of a message may reach a dump, and no answer may be lost unsaid."""
import os
import signal
import subprocess
import time

import pytest


def run(script, *argv):
    done = subprocess.run(['sh', '-c', script, 'sh', *argv], stderr=subprocess.PIPE, text=True, timeout=60)
    return done.returncode, done.stderr


def descriptors_while_dumping(argv, closed, partial):
    """What 0, 1 and 2 are once the dump is open."""
    p = subprocess.Popen(['sh', '-c', f'exec "$@" {closed}', 'sh', *argv], stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    while p.poll() is None and not partial.exists():
        time.sleep(0.0002)
    p.send_signal(signal.SIGSTOP)
    links = [os.readlink(f'/proc/{p.pid}/fd/{fd}') for fd in (1, 2)] if partial.exists() else None
    p.send_signal(signal.SIGCONT)
    return p.wait(timeout=60), links


@pytest.mark.parametrize('closed', ('1>&- 2>&-', '0<&- 1>&- 2>&-'))
def test_closed_streams_do_not_become_the_dump(innercore, cores, scratch, closed):
    _, src = cores.standard(style='6.1')
    got = scratch / 'got'
    argv = (innercore, 'capture', '-z', 'zlib', src, str(got))
    code, links = descriptors_while_dumping(argv, closed, scratch / 'got.partial')
    assert code == 0 and links == ['/dev/null', '/dev/null']


@pytest.mark.parametrize('command', (('status', '-c', '/nonexistent'), ('--version',), ('--help',), ('info', '--help')))
def test_full_standard_output_is_an_error(innercore, command):
    code, text = run('"$@" >/dev/full', innercore, *command)
    assert code == 5 and 'cannot write to standard output' in text
