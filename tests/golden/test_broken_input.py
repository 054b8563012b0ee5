# SPDX-License-Identifier: GPL-2.0-or-later
"""
Broken dumps, made here and never stored, through info, dmesg and capture: an exit code that the manual names, one clear
line where it says bad input, and never a signal, a sanitizer's report, a hang, or a large file.

By default a sample of the files, the same each time, which takes a minute or two; INNERCORE_BROKEN_ALL=1 runs all of
them through every command (some 13,000 processes).
"""
import json
import os
import random
import re
import shutil
import socket
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

import brokendumps as bd
import judges

DEADLINE_SECONDS = 60  # of a sanitized program on a busy machine; a plain one needs milliseconds
LARGEST_OUTPUT = 64 << 20
EXIT_CODES = {'info': {0, 2}, 'dmesg': {0, 2}, 'capture': {0, 2, 3, 4}}


EVERYTHING = bool(os.environ.get('INNERCORE_BROKEN_ALL'))


def sample(files, share, seed=5):
    """One in @share of them."""
    files = list(files)
    return files if EVERYTHING else random.Random(seed).sample(files, -(-len(files) // share))


def environment(command):
    """What reads dumps on a desk locks itself into a sandbox, where the sanitizer cannot look for leaks."""
    env = judges.environment()
    if command != 'capture':
        env['ASAN_OPTIONS'] = env['ASAN_OPTIONS'].replace('detect_leaks=1', 'detect_leaks=0')
    return env


class Tool:
    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder

    def run(self, *argv):
        # No preexec_fn: with one, Python forks, and copies all its page tables each time.
        limited = ['prlimit', f'--fsize={LARGEST_OUTPUT}', '--core=0', self.binary, *map(str, argv)]
        return subprocess.run(limited, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                              env=environment(argv[0]), timeout=DEADLINE_SECONDS)

    def try_command(self, command, path):
        """(exit code, complaint or None)"""
        out = f'{path}.out'
        argv = {'info': ['info', path], 'json': ['info', '--json', path], 'dmesg': ['dmesg', path],
                'capture': ['capture', '-q', '-d', '31', '-z', 'zlib', path, out]}[command]
        try:
            done = self.run(*argv)
        except subprocess.TimeoutExpired:
            return None, f'{command}: still running after {DEADLINE_SECONDS} s'
        finally:
            for name in (out, out + '.partial'):
                if os.path.exists(name):
                    os.unlink(name)
        stderr = done.stderr.decode(errors='replace')
        said = f'{command}: exit {done.returncode}: {stderr[-3000:]!r}'
        errors = [line for line in stderr.splitlines() if not line.startswith('innercore: warning: ')]
        if done.returncode not in EXIT_CODES.get(command, EXIT_CODES['info']):
            return done.returncode, said
        if done.returncode == 2 and not (len(errors) == 1 and re.fullmatch(r'innercore: error: \S.*', errors[0])):
            return 2, 'not one clear line: ' + said
        if done.returncode == 2 and command == 'info' and done.stdout:
            return 2, 'output beside the error: ' + said
        if command == 'json' and done.returncode == 2 and list(json.loads(done.stdout)) != ['error']:
            return 2, 'no error object: ' + said
        if command == 'json' and done.returncode == 0:
            json.loads(done.stdout)
        return done.returncode, None

    def try_all(self, number, name, make):
        """[complaints] about one file, and the exit code of info."""
        commands = [('info', 'json'), ('json', 'capture'), ('info', 'dmesg'), ('json', 'capture')][number % 4]
        if EVERYTHING:
            commands = ('info', 'json', 'dmesg', 'capture')
        path = os.path.join(self.folder, f'{number}_' + re.sub(r'\W+', '_', name))
        with open(path, 'wb') as f:
            f.write(make())
        try:
            results = [self.try_command(c, path) for c in commands]
        finally:
            os.unlink(path)
        complaints = [f'{name}: {why}' for _, why in results if why]
        if commands[:2] == ('info', 'json') and results[0][0] != results[1][0]:
            complaints.append(f'{name}: info says {results[0][0]}, info --json {results[1][0]}')
        return complaints, results[0][0]

    def try_many(self, files):
        """Complaints about all of (name, what makes the bytes), and how many of each exit code info gave."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            results = list(pool.map(lambda f: self.try_all(f[0], *f[1]), enumerate(files)))
        codes = [code for _, code in results]
        return [c for complaints, _ in results for c in complaints], {c: codes.count(c) for c in set(codes)}


@pytest.fixture
def tool(sanitized, tmp_path):
    return Tool(os.environ.get('INNERCORE_BIN') or sanitized, tmp_path)


def goods():
    kdump = bd.kdump()
    return {
        'kdump': kdump,
        'kdump_version_3': bd.kdump('kdump v3', version=3),
        'kdump_big_endian': bd.kdump('kdump big endian', order='>', machine=b's390x'),
        'kdump_i386': bd.kdump('kdump i386', bd.LAYOUT_I386, machine=b'i686'),
        'flattened': bd.flattened(kdump),
        'flattened_main_header_last': bd.flattened(kdump, 20000, main_header_last=True),
        'elf': bd.elf(),
        'elf_qemu': bd.elf('elf qemu', qemu=True),
    }


GOODS = goods()


@pytest.mark.parametrize('kind', GOODS)
def test_good_ones_are_good(tool, kind, tmp_path):
    """Else the broken ones would prove nothing."""
    path = tmp_path / 'dump'
    path.write_bytes(GOODS[kind].raw)
    done = tool.run('info', '--json', path)
    assert done.returncode == 0, done
    info = json.loads(done.stdout)
    assert info['complete'] and info['release'] == '6.1.0-broken'
    assert info['vmcoreinfo']['BUILD-ID'] == '0123456789abcdef'
    assert info['notes']['prstatus'] == (0 if info['version'] == 3 else 2)
    if info['format'] == 'kdump':
        assert info['pages']['ram'] == 600 - 17 and info['pages']['unreadable'] == 0
        assert info['pages']['stored'] == len([p for p in range(16, 600) if p != 256 and p % 3])
        assert info['pages']['zero'] == len([p for p in range(16, 600) if p != 256 and p % 3 and p % 5 == 0])
        assert info['compression']['zlib'] == info['pages']['stored'] - info['pages']['zero']
        assert info['phys_base'] == info['header_phys_base'] == -4096 or 'i386' in kind
    assert info['eraseinfo'] == 'erase jiffies size 8\\x0a' if info.get('version') == 6 else True


@pytest.mark.parametrize('kind', GOODS)
def test_cut_anywhere(tool, kind):
    complaints, codes = tool.try_many(sample(GOODS[kind].truncations(), 3))
    assert not complaints
    assert codes.get(2), codes


@pytest.mark.parametrize('kind', GOODS)
def test_fields_at_extremes(tool, kind):
    complaints, codes = tool.try_many(sample(GOODS[kind].extremes(), 3 if kind in ('kdump', 'elf') else 8))
    assert not complaints
    assert codes.get(0) and codes.get(2), codes


@pytest.mark.parametrize('kind', GOODS)
def test_random_damage(tool, kind):
    complaints, _ = tool.try_many(GOODS[kind].flips(200 if EVERYTHING else 12, seed=len(kind)))
    assert not complaints


def test_random_bytes(tool):
    def files():
        rng = random.Random(7)
        begins = (b'', b'KDUMP   ', b'DISKDUMP', b'\x7fELF', b'\x7fELF\2\1\1', b'\x7fELF\1\2\1', bd.FLAT_HEADER)
        for i in range(40):
            begin = rng.choice(begins)
            yield f'random {i}', partial(bytes, begin + rng.randbytes(rng.choice((1, 100, 5000, 70000))))
    complaints, codes = tool.try_many(files())
    assert not complaints
    assert set(codes) == {2}, codes


def test_overlapping_and_far_records(tool):
    raw = GOODS['kdump'].raw
    head, whole = (0, 464, raw[:464]), (0, len(raw), raw)
    far = (1 << 62, 4, b'tail')
    files = {
        'the same twice': [whole, whole],
        'a header that changes its mind': [(0, 464, b'\xff' * 464), whole],
        'a stale header last': [whole, (0, 464, b'\0' * 464)],
        'a far record': [whole, far],
        'far records only': [head, far],
        'only a main header': [head],
        'no records': [],
        'one byte each': [(i, 1, raw[i:i + 1]) for i in range(20000)],
        'backwards': [(i, 1000, raw[i:i + 1000]) for i in range(len(raw) // 1000 * 1000, -1, -1000)][1:],
        'negative': [head, (-2, 4, b'tail')],
        'negative size': [head, (5000, -4, b'tail')],
        'beyond everything': [head, ((1 << 63) - 1, 4, b'tail')],
        'size beyond the stream': [head, (4096, 1 << 40, raw[4096:])],
    }
    complaints, codes = tool.try_many((name, partial(bd.flattened_with, records, end))
                                      for name, records in files.items() for end in (True, False))
    assert not complaints
    assert codes.get(0) and codes.get(2), codes


def test_bitmaps_of_nothing_cost_no_time(tool, tmp_path):
    """4 PiB of memory, claimed by a few kilobytes whose bitmaps are one large gap, of a stream or of a sparse file."""
    raw = bytearray(GOODS['kdump'].raw[:2 * bd.PAGE])
    struct.pack_into('<iI', raw, 432, 1, 1 << 26)
    struct.pack_into('<Q', raw, bd.PAGE + 96, 1 << 40)
    stream = bd.flattened_with([(0, len(raw), bytes(raw)), (1 << 40, 4, b'tail')])
    with open(tmp_path / 'sparse', 'wb') as f:
        f.write(raw)
        f.truncate(1 << 39)
    (tmp_path / 'stream').write_bytes(stream)
    for name in ('stream', 'sparse'):
        done = tool.run('info', '--json', tmp_path / name)
        assert done.returncode == 0, done
        assert json.loads(done.stdout)['pages'] == dict(ram=0, stored=0, zero=0, excluded=0, unreadable=0)


def test_what_is_no_file(tool, tmp_path):
    def expect(path, *words):
        for command in ('info', 'dmesg'):
            code, complaint = tool.try_command(command, str(path))
            assert code == 2 and not complaint, complaint
            text = tool.run(command, path).stderr.decode()
            assert all(w in text for w in words), text
        done = tool.run('capture', '-q', path, tmp_path / 'out')
        assert done.returncode in (2, 4) and len(done.stderr.splitlines()) == 1, done
        assert not (tmp_path / 'out').exists()

    (tmp_path / 'folder').mkdir()
    (tmp_path / 'empty').touch()
    os.mkfifo(tmp_path / 'fifo')
    (tmp_path / 'loop').symlink_to('loop')
    (tmp_path / 'text').write_text('no dump at all\n')
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(tmp_path / 'socket'))
        expect(tmp_path / 'socket', 'socket')
    expect(tmp_path / 'folder', 'directory')
    expect(tmp_path / 'empty', 'empty')
    expect(tmp_path / 'fifo', 'fifo')
    expect(tmp_path / 'loop', 'loop')
    expect(tmp_path / 'text', 'not a dump')
    expect(tmp_path / 'nowhere', 'No such file')
    expect('/dev/null', '/dev/null')
    expect('')


def test_usage(tool, tmp_path):
    for argv in (['info'], ['info', 'a', 'b'], ['info', '--nonsense', 'a'], ['info', '--json=1', 'a'], ['dmesg']):
        done = tool.run(*argv)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and not done.stdout, done
    done = tool.run('info', '--help')
    assert done.returncode == 0 and b'Usage' in done.stdout


def test_ancient_diskdump_is_named(tool, tmp_path):
    (tmp_path / 'dump').write_bytes(b'DISKDUMP' + GOODS['kdump'].raw[8:])
    done = tool.run('info', tmp_path / 'dump')
    assert done.returncode == 2 and b'diskdump' in done.stderr


def test_text_of_the_dump_does_not_steer_the_terminal(tool, tmp_path):
    raw = GOODS['kdump'].raw
    nasty = b'6.1\x1b[31m\r\n\x80\xff'
    raw = raw.replace(b'6.1.0-broken', nasty.ljust(12, b'x'))
    (tmp_path / 'dump').write_bytes(raw)
    for option in ([], ['--json'], ['--vmcoreinfo']):
        done = tool.run('info', *option, tmp_path / 'dump')
        assert done.returncode == 0, done
        assert all(b >= 32 and b < 127 or b == 10 for b in done.stdout), done.stdout
    assert b'6.1\\x1b[31m' in tool.run('info', tmp_path / 'dump').stdout


def test_vmcoreinfo_text_is_the_dumps(tool, tmp_path):
    for kind, good in GOODS.items():
        (tmp_path / kind).write_bytes(good.raw)
        done = tool.run('info', '--vmcoreinfo', tmp_path / kind)
        assert done.returncode == 0 and done.stdout == bd.VMCOREINFO, (kind, done)


@pytest.mark.skipif(not shutil.which('makedumpfile'), reason='makedumpfile is not installed')
@pytest.mark.parametrize('flat', (False, True))
def test_makedumpfile_output_cut_and_damaged(tool, cores, tmp_path, flat):
    """The same with a file that another program wrote."""
    _, core = cores.standard(style='6.1')
    path = tmp_path / 'made'
    argv = ['makedumpfile', '-c', '-d', '31']
    if flat:
        with open(path, 'wb') as f:
            done = subprocess.run([*argv, '-F', core], stdout=f, stderr=subprocess.PIPE)
    else:
        done = subprocess.run([*argv, core, str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        pytest.fail(f'makedumpfile: {done}')
    raw = path.read_bytes()
    path.unlink()
    rng = random.Random(3)
    cuts = [464, 4096, 4200, 8192] + [rng.randrange(1, len(raw)) for _ in range(20)]
    good = bd.Good('makedumpfile', raw, [], cuts)
    complaints, codes = tool.try_many(sample(list(good.truncations()) + list(good.flips(60)), 5))
    assert not complaints
