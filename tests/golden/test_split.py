# SPDX-License-Identifier: GPL-2.0-or-later
"""Split sets: read as the dump that was cut, or refused with one clear line."""
import json
import resource
import struct
import subprocess

import pytest

import elfcore
import judges
import pairs
import splitset
import vmcore
from kdump import PAGE


@pytest.fixture(scope='module')
def whole(innercore, tmp_path_factory):
    """A machine, its outer dump, and its inner one in one file."""
    folder = tmp_path_factory.mktemp('whole')
    m = vmcore.Machine(style='6.12', peculiar=True)
    src = elfcore.write(folder / 'vmcore', elfcore.standard(m), m.notes())
    assert judges.capture(innercore, src, folder / 'inner', 'zstd', 31).code == 0
    yield m, folder / 'vmcore', folder / 'inner', pairs.outer_elf(folder / 'outer', m)
    for path in folder.iterdir():
        path.unlink()


def frames(m, *parts):
    pfns = sorted(m.kept(31))
    return [pfns[int(len(pfns) * part)] & ~63 for part in parts]


def info(binary, path):
    done = subprocess.run([binary, 'info', '--json', str(path)], capture_output=True, timeout=60)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.decode()


def check_match(r, m):
    assert (r.code, r.verdict) == (0, 'match'), r
    assert r.pages['equal'] == len(m.kept(31))
    assert r.audit['lost'] == 0


def test_set_as_inner_and_as_outer(innercore, whole, scratch):
    m, _, inner, outer = whole
    files = splitset.cut(inner, scratch, frames(m, .2, .5, .51))
    check_match(pairs.compare(innercore, scratch, outer), m)
    text = pairs.run(innercore, '--json', files[2], files[0], files[3], files[1], outer)
    assert text.returncode == 0 and json.loads(text.stdout)['verdict'] == 'match', text.stderr
    assert json.loads(text.stdout)['inner']['format'].endswith('in 4 files')
    check_match(pairs.compare(innercore, inner, scratch), m)
    assert pairs.run(innercore, '--json', inner, outer).stdout.split(b'"headers"')[1].split(b'"seconds"')[0] == \
        text.stdout.split(b'"headers"')[1].split(b'"seconds"')[0]


def test_set_that_makedumpfile_wrote(innercore, cores, scratch):
    m, src = cores.standard(style='6.1')
    folder = scratch / 'set'
    folder.mkdir()
    splitset.makedumpfile(src, folder, 3)
    r = pairs.compare(innercore, folder, pairs.outer_elf(scratch / 'outer', m))
    assert (r.code, r.verdict, r.audit['lost']) == (0, 'match', 0), r
    assert r.pages['equal'] == len(m.kept(31))


def test_makedumpfile_takes_our_cut_for_a_set(whole, scratch):
    """What is tested here is the test: its sets are such as makedumpfile would put together again."""
    m, _, inner, _ = whole
    files = splitset.cut(inner, scratch, frames(m, .3, .6))
    code, text = splitset.reassemble(files, scratch / 'again')
    assert code == 0, text


def test_every_reader_profits(innercore, whole, scratch):
    m, _, inner, _ = whole
    folder = scratch / 'set'
    folder.mkdir()
    splitset.cut(inner, folder, frames(m, .1, .4, .7, .8, .9))  # more files than are kept awake
    one, many = info(innercore, inner), info(innercore, folder)
    assert many['split'] == {'files': 6, 'start_pfn': 0, 'end_pfn': one['max_mapnr'], 'pages_in_other_files': 0}
    one['split'] = many['split']
    assert many['pages'].pop('zero') >= one['pages'].pop('zero')  # each file has a zero page of its own
    assert many == one
    assert judges.capture(innercore, folder, scratch / 'again', 'none', 0).code == 0
    assert judges.capture(innercore, inner, scratch / 'plain', 'none', 0).code == 0
    assert (scratch / 'again').read_bytes()[PAGE * 2:] == (scratch / 'plain').read_bytes()[PAGE * 2:]
    kdf = judges.Kdumpfile(scratch / 'again')
    assert not kdf.differences(sorted(m.kept(31)), lambda paddr, length: m.ram.read(paddr, length))


def test_flattened_files_and_what_else_lies_there(innercore, whole, scratch):
    m, _, inner, outer = whole
    files = splitset.cut(inner, scratch, frames(m, .5))
    splitset.flatten(files[1], scratch / 'flat')
    files[1].unlink()
    (scratch / 'status.json').write_text('{}')
    (scratch / '.hidden').write_bytes(files[0].read_bytes())
    (scratch / 'vmlinux').write_bytes(b'\x7fELF\2\1\1' + bytes(9) + b'\2\0' + bytes(200))
    (scratch / 'more').mkdir()
    check_match(pairs.compare(innercore, scratch, outer), m)


def test_folder_with_one_dump(innercore, whole, scratch):
    m, _, inner, outer = whole
    folder = scratch / '20261128T063000Z-0123abcd'
    folder.mkdir()
    pairs.copied(inner, folder / 'inner.kdump')
    (folder / 'dmesg.txt').write_text('hello\n')
    check_match(pairs.compare(innercore, folder, outer), m)


def refused(binary, inner, outer, *words):
    done = pairs.run(binary, *inner, outer)
    text = done.stderr.decode()
    assert done.returncode == 2 and not done.stdout, done
    assert len(text.splitlines()) == 1, text
    for word in words:
        assert str(word) in text, text


def test_sets_that_are_none(innercore, sanitized, whole, scratch):
    m, _, inner, outer = whole
    files = splitset.cut(inner, scratch, frames(m, .3, .6))
    refused(innercore, files[1:2], outer, files[1], 'one file of a split dump')
    for gone in range(3):
        rest = files[:gone] + files[gone + 1:]
        refused(innercore, rest, outer, 'a file of the split dump is missing', 'none has page frames')
    refused(innercore, [files[0], *files], outer, 'both claim page frame')
    refused(innercore, [*files, inner], outer, inner, 'a dump of its own')
    refused(innercore, [*files, outer], outer, 'ELF core')
    refused(innercore, [*files, scratch / 'nothing'], outer, 'nothing')
    other = pairs.copied(files[1], scratch / 'other')
    for at, fmt, value, word in ((12 + 65, '<I', 0x41414141, 'machine'), (408, '<Q', 7, 'time of the crash'), (PAGE + 8, '<i', 1, 'dump level')):
        raw = bytearray(files[1].read_bytes())
        struct.pack_into(fmt, raw, at, value)
        other.write_bytes(raw)
        refused(sanitized, [files[0], other, files[2]], outer, files[0], other, word)
    raw = bytearray(files[1].read_bytes())
    k = splitset.Kdump.open(files[0])
    pfn = next(iter(m.kept(31)))
    raw[k.bitmap_off + k.bitmap_blocks * PAGE // 2 + pfn // 8] ^= 1 << pfn % 8
    other.write_bytes(raw)
    refused(sanitized, [files[0], other, files[2]], outer, 'not of one split dump', 'bitmaps differ')


def test_sanitizers_on_a_set(sanitized, whole, scratch):
    m, _, inner, outer = whole
    splitset.cut(inner, scratch, frames(m, .1, .2, .4, .6, .9))
    check_match(pairs.compare(sanitized, scratch, outer), m)


def test_folder_of_links(innercore, whole, scratch):
    """What a link leads to lies where the sandbox would not let anybody look."""
    m, _, inner, outer = whole
    (scratch / 'files').mkdir()
    folder = scratch / 'links'
    folder.mkdir()
    files = splitset.cut(inner, scratch / 'files', frames(m, .3, .6))
    for i, path in enumerate(files):
        (folder / f'link{i}').symlink_to(path)
    check_match(pairs.compare(innercore, folder, outer), m)
    (folder / 'more').symlink_to(scratch / 'files')  # a folder is no file of a set
    check_match(pairs.compare(innercore, folder, outer), m)
    files[1].unlink()
    refused(innercore, [folder], outer, folder / 'link1', 'a symbolic link that leads nowhere')


def test_a_hostile_set_takes_little_memory(innercore, whole, scratch):
    """Each of these files claims a million ranges of memory: 16 MiB to remember them."""
    splitset.striped(whole[2], scratch, 64, 1 << 21)
    limit = (192 << 20, 192 << 20)
    done = subprocess.run([innercore, 'info', '--json', scratch], capture_output=True, timeout=60,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)['pages']['ram'] == 1 << 20
