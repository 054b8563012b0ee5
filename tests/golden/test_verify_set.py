# SPDX-License-Identifier: GPL-2.0-or-later
"""verify on split sets: the rules of each file, and those that only all files together can break."""
import json
import struct
import subprocess

import pytest

import elfcore
import judges
import pairs
import splitset
import vmcore
from kdump import PAGE, Kdump

SUB = PAGE


class Verdict:
    def __init__(self, done):
        self.code, self.stderr = done.returncode, done.stderr.decode(errors='replace')
        assert self.code in (0, 1) and not self.stderr, (self.code, self.stderr)
        self.report = json.loads(done.stdout)
        self.findings = self.report['findings']
        assert self.report['verdict'] == ('faulty' if self.code else 'good')
        for key, severity in (('errors', 'error'), ('warnings', 'warning'), ('notes', 'note')):
            assert self.report[key] == sum(f['severity'] == severity for f in self.findings), self

    def of_set(self):
        """What no single file is to blame for."""
        return {f['id']: f for f in self.findings if 'file' not in f}

    def of_files(self, severity='error'):
        return {(f['id'], f['file']) for f in self.findings if 'file' in f and f['severity'] == severity}

    def __repr__(self):
        return json.dumps(self.report, indent=1)


def run(binary, *argv):
    return subprocess.run([binary, 'verify', '-q', *map(str, argv)], capture_output=True, env=judges.environment(), timeout=100)


def verify(binary, *files):
    return Verdict(run(binary, '--json', *files))


@pytest.fixture(scope='module')
def whole(innercore, tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole')
    m = vmcore.Machine(style='6.12', peculiar=True)
    src = elfcore.write(folder / 'vmcore', elfcore.standard(m), m.notes())
    assert judges.capture(innercore, src, folder / 'inner', 'none', 31).code == 0
    yield m, folder / 'inner'
    for path in folder.iterdir():
        path.unlink()


@pytest.fixture
def files(whole, scratch):
    m, inner = whole
    pfns = sorted(m.kept(31))
    folder = scratch / 'set'
    folder.mkdir()
    return splitset.cut(inner, folder, [pfns[int(len(pfns) * part)] & ~63 for part in (.2, .5)])


def poke(path, offset, fmt, *values):
    with open(path, 'r+b') as f:
        f.seek(offset)
        f.write(struct.pack(fmt, *values))


def test_good_set(innercore, sanitized, whole, files):
    m, inner = whole
    v = verify(innercore, files[0].parent)
    assert v.code == 0 and not v.of_set() and not v.of_files(), v
    assert v.report['phys_base_proved'] and v.report['pages'] == {'looked_at': True, 'stored': len(m.kept(31)),
                                                                  'good': len(m.kept(31))}
    parts = v.report['files']
    assert [p['file'] for p in parts] == [str(p) for p in files] and {p['verdict'] for p in parts} == {'good'}
    assert parts[0]['pfns'][0] == 0 and parts[-1]['pfns'][1] == Kdump.open(inner).max_mapnr
    assert all(a['pfns'][1] == b['pfns'][0] for a, b in zip(parts, parts[1:]))
    by_name = verify(sanitized, files[2], files[0], files[1])
    assert by_name.code == 0 and by_name.report['pages'] == v.report['pages'], by_name
    text = run(innercore, files[0].parent).stdout.decode().splitlines()
    assert text[0].startswith(f'{files[0].parent}: a split dump of 3 files: KDUMP') and 'good' in text[-1], text


def test_folder_with_one_dump(innercore, whole, scratch):
    pairs.copied(whole[1], scratch / 'inner')
    (scratch / 'dmesg.txt').write_text('hello\n')
    v = verify(innercore, scratch)
    assert v.code == 0 and v.report['phys_base_proved'] and 'files' not in v.report, v


def test_a_file_is_missing(innercore, files):
    for gone in range(3):
        rest = files[:gone] + files[gone + 1:]
        start, end = (Kdump.open(files[gone]).start_pfn_64, Kdump.open(files[gone]).end_pfn_64)
        v = verify(innercore, *rest)
        assert v.code == 1 and set(v.of_set()) == {'set-gap'} and not v.of_files(), v
        assert v.of_set()['set-gap']['places'] == [{'pfns': [start, end]}] and 'makedumpfile' in v.of_set()['set-gap']['breaks']
    assert splitset.reassemble(files[:2], files[0].parent / 'again')[0] != 0


def test_two_files_overlap(innercore, files):
    start = Kdump.open(files[1]).start_pfn_64
    poke(files[0], SUB + 24, '<Q', start + 64)
    poke(files[0], SUB + 88, '<Q', start + 64)
    v = verify(innercore, *files)
    assert v.code == 1 and set(v.of_set()) == {'set-overlap'}, v
    assert v.of_set()['set-overlap']['places'] == [{'pfns': [start, start + 64]}]
    assert all(str(p) in v.of_set()['set-overlap']['text'] for p in files[:2])


def test_twice_the_same_file(innercore, files):
    v = verify(innercore, *files, files[1])
    assert v.code == 1 and set(v.of_set()) == {'set-overlap'} and not v.of_files(), v


def test_a_hole_between_files_where_nothing_is_stored(innercore, whole, scratch):
    """Nothing is lost by it, but makedumpfile wants files that abut."""
    files = splitset.cut(whole[1], scratch, [0x900])  # where the first range of RAM ends
    poke(files[1], SUB + 16, '<Q', 0x10000)
    poke(files[1], SUB + 80, '<Q', 0x10000)
    v = verify(innercore, *files)
    assert v.code == 1 and set(v.of_set()) == {'set-gap-empty'} and v.report['phys_base_proved'], v
    assert v.of_set()['set-gap-empty']['places'] == [{'pfns': [0x900, 0x10000]}] and v.report['breaks'] == ['makedumpfile']
    code, text = splitset.reassemble(files, scratch / 'again')
    assert code != 0 and '0x900' in text, text


def test_headers_differ(innercore, files):
    poke(files[2], 408, '<Q', 7)  # time of the crash
    v = verify(innercore, *files)
    assert v.code == 1 and 'set-header' in v.of_set(), v
    assert v.of_set()['set-header']['places'] == [{'offset': 408}]
    assert str(files[2]) in v.of_set()['set-header']['text']
    assert splitset.reassemble(files, files[0].parent / 'again')[0] != 0


def test_bitmaps_differ(innercore, whole, files):
    k = Kdump.open(files[1])
    pfn = min(whole[0].kept(31))
    raw = bytearray(files[1].read_bytes())
    raw[k.bitmap_off + k.bitmap_blocks * PAGE // 2 + pfn // 8] ^= 1 << pfn % 8
    files[1].write_bytes(raw)
    v = verify(innercore, *files)
    assert v.code == 1 and set(v.of_set()) == {'set-refused'}, v
    assert 'page bitmaps differ' in v.of_set()['set-refused']['text']


def test_not_of_a_set(innercore, whole, files, scratch):
    m, inner = whole
    outer = pairs.outer_elf(scratch / 'outer', m)
    v = verify(innercore, *files, inner, outer)
    assert v.code == 1 and set(v.of_set()) == {'set-not-split'}, v
    assert v.of_set()['set-not-split']['count'] == 2 and str(inner) in v.of_set()['set-not-split']['text']


def test_a_finding_names_its_file(innercore, files):
    k = Kdump.open(files[1])
    pfn = next(p for p in k.pfns if k.start_pfn_64 <= p < k.end_pfn_64)
    poke(files[1], k.desc_off + 12, '<I', 0x40)
    poke(files[2], 12 + 65 * 2, '<B', 0)  # no release
    v = verify(innercore, *files)
    assert v.code == 1 and v.of_files() == {('desc-flags', str(files[1])), ('uts-empty', str(files[2]))}, v
    assert [f['places'] for f in v.findings if f['id'] == 'desc-flags'] == [[{'pfns': [pfn, pfn + 1]}]]
    assert [p['verdict'] for p in v.report['files']] == ['good', 'faulty', 'faulty']
    text = run(innercore, *files).stdout.decode()
    assert f'desc-flags            {files[1]}: ' in text, text


def test_what_cannot_be_read(innercore, files, scratch):
    (scratch / 'text').write_text('hello\n')
    for argv, word in (((files[0], scratch / 'text'), 'not a dump'), ((files[0], scratch / 'nothing'), 'nothing'), ((scratch,), 'no file in it')):
        done = run(innercore, *argv)
        assert done.returncode == 2 and not done.stdout and len(done.stderr.splitlines()) == 1, done
        assert word in done.stderr.decode(), done
