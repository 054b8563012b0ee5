# SPDX-License-Identifier: GPL-2.0-or-later
"""compare --html: one page that needs nothing else, that no guest can bend, and that a browser shows."""
import json
import re

import pytest

import browser
import elfcore
import judges
import pairs
import vmcore
from kdump import PAGE

EVIL = '</script><script>document.title="owned"</script><img src=x onerror="document.title=1">&\x1b[31m'
LOST_RED, UNEXPLAINED, EQUAL, FREE, USER = '#d7141a', '#a6009c', '#5f9e7e', '#e2e7ec', '#ecd8a2'


class Case:
    def __init__(self, machine, inner, outer, lost, flipped):
        self.m, self.inner, self.outer, self.lost, self.flipped = machine, inner, outer, lost, flipped


@pytest.fixture(scope='module')
def case(innercore, tmp_path_factory):
    """A guest with a hostile host name; its dumps, one page lost and one bit flipped."""
    folder = tmp_path_factory.mktemp('html')
    m = vmcore.Machine(style='6.12')
    m.ram.write(vmcore.IMAGE_PADDR + vmcore.OFF_UTS + 65, EVIL.encode()[:64].ljust(65, b'\0'))
    src = elfcore.write(folder / 'vmcore', elfcore.standard(m), m.notes())
    assert judges.capture(innercore, src, folder / 'good', 'zlib', 31).code == 0
    slabs = sorted(pfn for pfn, (kind, order) in m.kinds.items() if kind == 'slab' and not order)
    c = Case(m, folder / 'bad', folder / 'outer', slabs[3], slabs[-3])
    pairs.drop_pages(pairs.copied(folder / 'good', c.inner), {c.lost})
    c.good = folder / 'good'
    pairs.outer_elf(c.outer, m)
    pairs.flip_elf(c.outer, c.flipped * PAGE + 100)
    yield c
    for path in folder.iterdir():
        path.unlink()


def make(binary, inner, outer, page, *options):
    done = pairs.run(binary, '--html', page, *options, inner, outer)
    return done.returncode, page.read_text()


def data_of(text):
    return json.loads(re.search(r'<script type="application/json" id="data">\n(.*?)\n</script>', text, re.S).group(1))


def check_page(text):
    page = browser.WellFormed(text)
    assert page.wrong == []
    assert page.loads == []
    assert not re.search(r'url\((?!#)|@import|https?:|//[a-z]|\beval\b|innerHTML', text)
    assert sum(tag == 'script' for tag, _ in page.tags) in (0, 2)
    assert not any(tag in ('img', 'iframe', 'object', 'link', 'base', 'form') for tag, _ in page.tags)
    assert '\x1b' not in text
    return page


def test_page_is_well_formed_and_alone(sanitized, case, scratch):
    code, text = make(sanitized, case.inner, case.outer, scratch / 'page.html')
    assert code == 1
    seen = check_page(text).visible()
    assert 'DIFFERS' in seen and '1 kernel page lost' in seen
    assert f'{case.lost:#x}' in seen and f'{case.flipped:#x}' in seen
    assert EVIL[:30] in seen
    for word in ('Filter audit', 'Headers', 'phys_base', 'page cache', 'inner dump', 'outer dump', case.m.uts[2]):
        assert word in seen, word


def test_verdict_of_a_match(innercore, case, scratch):
    outer = pairs.outer_elf(scratch / 'outer', case.m)
    code, text = make(innercore, case.good, outer, scratch / 'page.html')
    assert code == 0
    seen = check_page(text).visible()
    assert 'MATCH' in seen and 'DIFFERS' not in seen and 'Pages to look at' not in seen


def test_incomparable_has_a_page_too(innercore, case, scratch):
    other = vmcore.Machine(style='6.1', levels=4, negative_phys_base=False, seed=3)
    code, text = make(innercore, case.good, pairs.outer_elf(scratch / 'outer', other), scratch / 'page.html')
    assert code == 2
    assert 'INCOMPARABLE' in check_page(text).visible()


def test_picture_tells_of_every_page(innercore, case, scratch):
    _, text = make(innercore, case.inner, case.outer, scratch / 'page.html')
    data = data_of(text)
    report = pairs.compare(innercore, case.inner, case.outer).report
    assert data['lost'] == [[case.lost, case.lost + 1]] and data['unexplained'] == [[case.flipped, case.flipped + 1]]
    cells = [run for run in data['cells'] for _ in range(run[0])]
    assert len(cells) <= 10240 and len(cells) == sum(r[4] for r in data['regions'])
    totals = {}
    for cell in cells:
        for state, pages in zip(cell[1][::2], cell[1][1::2]):
            totals[data['states'][state]] = totals.get(data['states'][state], 0) + pages
    pages, audit = report['pages'], report['audit']
    assert totals.pop('equal in both') == pages['equal']
    assert totals.pop('LOST: kernel page left out') == 1 and totals.pop('differs: unexplained') == 1
    assert totals.pop('left out: free') == audit['free'] and totals.pop('left out: user') == audit['user']
    assert totals.pop('left out: private page cache') == audit['cache_private']
    assert totals.pop('left out: page cache') == audit['cache'] - audit['cache_private']
    assert totals.pop('only in outer: low 1 MiB') == pages['causes']['low_1mib']
    assert totals.pop('only in outer: firmware flash') == pages['causes']['flash']
    assert set(totals) <= {'left out: hwpoison', 'left out: balloon or offline'}
    classes = sum(n for cell in cells for n in cell[2][1::2])
    assert classes == pages['common'] + pages['outer_only'] + pages['inner_only']


def test_an_older_page_is_replaced_and_nothing_else(innercore, case, scratch):
    page = scratch / 'page.html'
    page.write_text('<!DOCTYPE html>\n' + 'x' * 10000000)
    code, text = make(innercore, case.inner, case.outer, page)
    assert code == 1 and text.endswith('</html>\n') and len(text) < 5000000
    victim = pairs.copied(case.inner, scratch / 'victim')
    before = victim.read_bytes()
    done = pairs.run(innercore, '--html', victim, case.inner, case.outer)
    assert done.returncode == 2 and b'not overwritten' in done.stderr and victim.read_bytes() == before
    done = pairs.run(innercore, '--html', scratch / 'no' / 'such', case.inner, case.outer)
    assert done.returncode == 2 and not done.stdout
    code, text = judges.run_text(innercore, 'compare', '--html', '/dev/full', case.inner, case.outer)
    assert code == 5 and 'cannot write /dev/full' in text


needs_browser = pytest.mark.skipif(not browser.find(), reason='chromium is not installed')


@needs_browser
def test_browser_runs_the_script(innercore, case, scratch):
    _, text = make(innercore, case.inner, case.outer, scratch / 'page.html')
    data = data_of(text)
    dom = browser.dom(scratch / 'page.html', scratch)
    assert f'data-cells="{sum(r[4] for r in data["regions"])}"' in dom
    assert '<title>innercore compare: DIFFERS</title>' in dom
    detail = re.search(r'<div id="detail"[^>]*>(.*?)</section>', dom, re.S).group(1)
    assert f'lost: PFN {case.lost:#x}' in detail and 'LOST: kernel page left out' in detail
    assert not re.search(r'<div id="detail"[^>]*hidden', dom)


@needs_browser
def test_browser_shows_the_picture(innercore, case, scratch):
    make(innercore, case.inner, case.outer, scratch / 'page.html')
    shot = browser.screenshot(scratch / 'page.html', scratch, height=1000)
    assert (shot.width, shot.height) == (1280, 1000)
    pixels = {c: shot.count(c) for c in (LOST_RED, UNEXPLAINED, EQUAL, FREE, USER)}
    assert pixels[EQUAL] > 20000 and pixels[FREE] > 5000 and pixels[USER] > 5000, pixels
    assert 20 < pixels[LOST_RED] < 2000 and 20 < pixels[UNEXPLAINED] < 2000, pixels
    assert shot.count('#ffffff') > shot.width * shot.height // 3
