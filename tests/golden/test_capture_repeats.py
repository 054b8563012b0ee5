# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages of one content share one stored page: each reader gives each its bytes, and what works on dumps works on these."""
import collections
import json
import random
import subprocess

import pytest

import elfcore
import judges
import pairs
import vmcore
from kdump import COMPRESSION, PAGE, Kdump


class Source:
    """A core in which pages repeat, some of them far apart: filled with one word, noise, text, and one bit off these."""

    def __init__(self, folder):
        self.m = m = vmcore.Machine(style='6.12')
        rng = random.Random(11)
        free = [pfn for pfn in m.ram.pfns() if pfn not in m.structures]
        contents = [b'\xff' * PAGE, b'\x5a' * PAGE, (b'\0' * 7 + b'\x80') * (PAGE // 8)]
        contents += [rng.randbytes(PAGE) for _ in range(20)] + [(b'text %04x ' % i * 500)[:PAGE] for i in range(20)]
        for content in contents[:]:
            at = rng.randrange(PAGE)
            contents.append(content[:at] + bytes([content[at] ^ 1]) + content[at + 1:])
        for pfn in rng.sample(free, len(free) // 3):
            m.ram.write(pfn * PAGE, rng.choice(contents))
        self.path = elfcore.write(folder / 'core', elfcore.standard(m), m.notes())
        pages = collections.Counter(m.ram.read(pfn * PAGE, PAGE) for pfn in m.kept(0))
        pages.pop(bytes(PAGE), None)
        self.distinct, self.total = len(pages), sum(pages.values())
        assert self.total - self.distinct > 500


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    return Source(tmp_path_factory.mktemp('repeats'))


def stored_once(k):
    """How many pages there are to each place, the zero page aside."""
    places = collections.Counter(desc[:3] for _, desc in k.descs() if desc[0])
    zero = [place for place in places if not place[2] and not any(k.raw[place[0]:place[0] + PAGE])]
    assert len(zero) == 1
    places.pop(zero[0])
    return places


@pytest.mark.parametrize('codec', COMPRESSION)
def test_every_reader_finds_every_page(sanitized, source, scratch, codec):
    m, path = source.m, scratch / 'dump'
    r = judges.capture(sanitized, source.path, path, codec, 0)
    assert r.code == 0, r
    k = Kdump.open(path)
    places = stored_once(k)
    assert len(places) == source.distinct
    pages = r.report['pages']
    assert pages['repeated'] == source.total - source.distinct
    assert pages['zero'] + pages['repeated'] + pages['raw'] + pages['compressed'] == pages['kept'] == len(k.pfns)
    assert judges.Kdumpfile(path).differences(k.pfns, m.ram.read) == {}
    shared = [pfn * PAGE for pfn, desc in k.descs() if places[desc[:3]] > 1]
    read = judges.drgn_read(path, shared[:300])
    assert {paddr for paddr, got in read.items() if got != m.ram.read(paddr, PAGE)} == set()
    assert subprocess.run([sanitized, 'verify', '-q', path]).returncode == 0


def test_without_dedup_each_page_is_stored(innercore, source, scratch):
    one, other = scratch / 'one', scratch / 'other'
    assert judges.capture(innercore, source.path, one, 'zlib', 0).code == 0
    r = judges.capture(innercore, source.path, other, 'zlib', 0, '--no-dedup')
    assert r.code == 0 and r.report['pages']['repeated'] == 0, r
    k = Kdump.open(other)
    assert len(stored_once(k)) == source.total
    assert one.stat().st_size < other.stat().st_size
    # makedumpfile finds the same in both.
    for path in (one, other):
        code, said = judges.makedumpfile(path, scratch / f'{path.name}-again', 0)
        assert code == 0, said
    assert (scratch / 'one-again').read_bytes() == (scratch / 'other-again').read_bytes()


@pytest.mark.parametrize('codec', ('lzo', 'none'))
def test_any_number_of_threads_and_a_stream_share_alike(innercore, source, scratch, codec):
    dumps = []
    for threads in (1, 2, 5):
        dumps.append(scratch / f'dump-{threads}')
        assert judges.capture(innercore, source.path, dumps[-1], codec, 0, '-j', str(threads)).code == 0
    with open(scratch / 'stream', 'wb') as f:
        r = judges.capture(innercore, source.path, '-', codec, 0, stdout=f)
    assert r.code == 0 and r.report['pages']['repeated'] == source.total - source.distinct
    code, said = judges.rearrange(scratch / 'stream', scratch / 'rearranged')
    assert code == 0, said
    for path in (*dumps[1:], scratch / 'rearranged'):
        assert path.read_bytes() == dumps[0].read_bytes()


def test_compare_filter_again_and_info(innercore, source, scratch):
    path, again = scratch / 'dump', scratch / 'again'
    assert judges.capture(innercore, source.path, path, 'zstd', 0).code == 0
    r = pairs.compare(innercore, path, source.path)
    assert r.code == 0 and r.report['pages']['equal'] == len(Kdump.open(path).pfns), r
    r = judges.capture(innercore, path, again, 'zstd', 31)
    direct = judges.capture(innercore, source.path, scratch / 'direct', 'zstd', 31)
    assert r.code == direct.code == 0 and again.read_bytes() == (scratch / 'direct').read_bytes()
    info = json.loads(subprocess.run([innercore, 'info', '--json', path], capture_output=True, check=True).stdout)
    zero = sum(not any(source.m.ram.read(pfn * PAGE, PAGE)) for pfn in source.m.kept(0))
    assert info['pages']['zero'] == zero


def test_repair_of_a_cut_dump(innercore, source, scratch):
    """A page is right, or it is missing: also where what it shares lies on the other side of the cut."""
    path, part, out = scratch / 'dump', scratch / 'part', scratch / 'out'
    assert judges.capture(innercore, source.path, path, 'zlib', 0).code == 0
    raw, k = path.read_bytes(), Kdump.open(path)
    for at in (k.data_off + (len(raw) - k.data_off) // 3, len(raw) - 5000):
        part.write_bytes(raw[:at])
        done = subprocess.run([innercore, 'repair', '-f', '-o', out, part], capture_output=True)
        assert done.returncode in (0, 3), done.stderr
        read = judges.Kdumpfile(out)
        for pfn, (off, size, _, _) in random.Random(5).sample(k.descs(), 500):
            got = read.read(pfn * PAGE)
            if off + size <= at:
                assert got == source.m.ram.read(pfn * PAGE, PAGE), pfn
            else:
                assert isinstance(got, str), pfn
