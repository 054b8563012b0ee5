# SPDX-License-Identifier: GPL-2.0-or-later
"""
Golden tests: bytes in, bytes out. INNERCORE_BIN names the binary under test (default build/innercore); tests of hostile
input also run the sanitized one (INNERCORE_SAN_BIN, default build/asan-ubsan/innercore) where it has been built.
"""
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import elfcore  # noqa: E402
import vmcore  # noqa: E402

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='session')
def innercore():
    path = Path(os.environ.get('INNERCORE_BIN', TOP / 'build/innercore')).resolve()
    if not path.is_file():
        pytest.fail(f'{path} is not there: build it first')
    return str(path)


@pytest.fixture(scope='session')
def sanitized(innercore):
    """The sanitized binary, or the plain one where none was built."""
    path = Path(os.environ.get('INNERCORE_SAN_BIN', TOP / 'build/asan-ubsan/innercore')).resolve()
    return str(path) if path.is_file() else innercore


class Cores:
    """Machines and the cores written of them, each made once; the least recently used files go when it gets much."""

    KEEP = 4

    def __init__(self, folder):
        self.folder, self.machines, self.files = folder, {}, {}

    def machine(self, **options):
        key = tuple(sorted(options.items()))
        if key not in self.machines:
            if len(self.machines) >= self.KEEP:
                self.machines.pop(next(iter(self.machines)))
            self.machines[key] = vmcore.Machine(**options)
        self.machines[key] = self.machines.pop(key)
        return self.machines[key]

    def standard(self, **options):
        """(machine, path of its core laid out like /proc/vmcore)"""
        m = self.machine(**options)
        key = tuple(sorted(options.items()))
        if key not in self.files:
            if len(self.files) >= self.KEEP:
                self.files.pop(next(iter(self.files))).unlink()
            path = self.folder / f'core{len(os.listdir(self.folder))}-{hash(key) & 0xffffffff:x}'
            self.files[key] = elfcore.write(path, elfcore.standard(m), m.notes())
        self.files[key] = self.files.pop(key)
        return m, str(self.files[key])


@pytest.fixture(scope='session')
def cores(tmp_path_factory):
    return Cores(tmp_path_factory.mktemp('cores'))


@pytest.fixture
def scratch(tmp_path):
    """A folder whose large files do not outlive the test."""
    yield tmp_path
    for path in tmp_path.rglob('*'):
        if path.is_file() and not path.is_symlink():
            path.unlink()
