# SPDX-License-Identifier: GPL-2.0-or-later
"""How much memory a capture takes: a capture kernel has little, and no swap."""
import os
import subprocess
import threading

import pytest

import elfcore
import judges
import vmcore
from kdump import Flattened, Kdump
from vmcore import MIB, PAGE

ANON_BUDGET = 16 * MIB
THREAD_BUDGET = 4 * MIB
WINDOW_BUDGET = 8 * MIB


class Watch(threading.Thread):
    """Samples a process as often as it can, until it is told to stop."""

    def __init__(self, pid, source):
        super().__init__(daemon=True)
        self.pid, self.source = pid, str(source)
        self.peak_anon = self.peak_windows = self.samples = 0
        self.ended = threading.Event()

    def sample(self):
        with open(f'/proc/{self.pid}/status') as f:
            fields = dict(line.split(':', 1) for line in f)
        anon = int(fields['RssAnon'].split()[0]) * 1024 if 'RssAnon' in fields else 0
        windows = 0
        with open(f'/proc/{self.pid}/maps') as f:
            for line in f:
                if self.source in line:
                    start, end = (int(n, 16) for n in line.split()[0].split('-'))
                    windows += end - start
        self.peak_anon, self.peak_windows = max(anon, self.peak_anon), max(windows, self.peak_windows)
        self.samples += 1
        return int(fields['VmData'].split()[0]) * 1024 if 'VmData' in fields else 0

    def run(self):
        while not self.ended.wait(0.001):
            try:
                self.sample()
            except (OSError, KeyError, ValueError):
                return


def capture_watched(binary, src, level, env=None, threads=1):
    """Capture into a pipe that is drained slowly. (stream, watch, VmData each time that data came)"""
    argv = [binary, 'capture', '-z', 'zstd', '-d', str(level), '-j', str(threads), '-q', str(src), '-']
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=env or judges.environment()) as p:
        watch = Watch(p.pid, src)
        watch.start()
        fd, raw, data_sizes = p.stdout.fileno(), bytearray(), []
        while chunk := os.read(fd, 1 << 16):
            raw += chunk
            if len(raw) > 5 * 1024 and p.poll() is None:
                data_sizes.append(watch.sample())
        watch.ended.set()
        watch.join()
        assert p.wait(60) == 0
    return bytes(raw), watch, [n for n in data_sizes if n]


def sparse_source(m, path, gib):
    return elfcore.write(path, elfcore.standard(m) + [
        elfcore.Load(vmcore.FREE_START, b'', m.direct_map + vmcore.FREE_START, hole_len=gib << 30)], m.notes())


def check_budget(watch, present_pages, threads=1):
    assert watch.samples > 10
    budget = ANON_BUDGET + (threads - 1) * THREAD_BUDGET + present_pages // 8
    assert 0 < watch.peak_anon <= budget, watch.peak_anon
    assert watch.peak_windows <= WINDOW_BUDGET


def test_filtering_64_gib(innercore, scratch):
    """Nearly all of it free: the plan looks at 16 million struct pages."""
    gib = 64
    m = vmcore.Machine(style='6.12', free_gib=gib)
    src = sparse_source(m, scratch / 'src', gib)
    raw, watch, data_sizes = capture_watched(innercore, src, 31)
    present = len(m.classes) + (gib << 30) // PAGE
    check_budget(watch, present)
    k = Kdump(Flattened(raw).rearranged())
    assert k.stored == m.kept(31)
    assert int.from_bytes(k.ram_bitmap, 'little').bit_count() == present
    assert max(data_sizes) == data_sizes[0]  # nothing is allocated once pages are written


@pytest.mark.parametrize('threads', [1, 2])
def test_writing_much(innercore, scratch, threads):
    """Everything is kept: 512 MiB of zero pages behind a true machine."""
    m = vmcore.Machine(style='6.12')
    src = elfcore.write(scratch / 'src', elfcore.standard(m) + [
        elfcore.Load(vmcore.FREE_START, b'', m.direct_map + vmcore.FREE_START, hole_len=512 * MIB)], m.notes())
    raw, watch, data_sizes = capture_watched(innercore, src, 0, threads=threads)
    check_budget(watch, len(m.classes) + 512 * MIB // PAGE, threads)
    assert len(Kdump(Flattened(raw).rearranged()).stored) == len(m.kept(0)) + 512 * MIB // PAGE
    assert max(data_sizes) == data_sizes[0]


def test_many_loads(innercore, scratch):
    """65,600 program headers: what the layout itself takes is bounded too."""
    m = vmcore.Machine(style='6.12')
    src = elfcore.write(scratch / 'src', elfcore.many(m), m.notes())
    _, watch, _ = capture_watched(innercore, src, 31)
    check_budget(watch, len(m.classes))


def test_windows_are_small(sanitized, scratch, tmp_path):
    """As /proc/vmcore is read: what is mapped at once."""
    from test_capture_unreadable import preload_for_windows
    preload = preload_for_windows(sanitized, scratch)
    if not preload:
        pytest.skip('no sanitized binary: the product is static and cannot be preloaded')
    m = vmcore.Machine(style='6.12', vmemmap='4K')
    src = elfcore.write(scratch / 'src', elfcore.split(m), m.notes(), align=1)
    _, watch, _ = capture_watched(sanitized, src, 0, env=dict(judges.environment(), LD_PRELOAD=preload))
    assert 0 < watch.peak_windows <= WINDOW_BUDGET
