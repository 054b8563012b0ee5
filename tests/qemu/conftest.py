# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the crashes that the collected tests ask for, a few side by side, while finished ones are judged.

    INNERCORE_BIN       the program under test (default build/innercore)
    QEMU_JOBS           guests at a time (default 2)
    QEMU_PATIENCE       how many times as long to wait for a guest (default 1)
    QEMU_FOLDER         where the guests live (default build/qemu); emptied first
    INNERCORE_KEEP=1    keep the raw memory images there
    KERNEL=, MODULES=, VMLINUX=    take this kernel instead of Debian's
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import pathlib
import shutil
import sys
import threading
import time
from collections.abc import Iterator

import pytest

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
sys.path.insert(0, str(HERE))

import crashes  # noqa: E402
import cycle  # noqa: E402
import debian  # noqa: E402
import judges.root  # noqa: E402
import kernels  # noqa: E402

FOLDER = pathlib.Path(os.environ.get("QEMU_FOLDER", TREE / "build/qemu")).resolve()


class Run:
    """The crashes of one test session."""

    def __init__(self, names: list[str], innercore: pathlib.Path):
        shutil.rmtree(FOLDER, ignore_errors=True)
        bench = crashes.Bench(cycle.Images(FOLDER / "images", innercore), FOLDER)
        self._pool = concurrent.futures.ThreadPoolExecutor(int(os.environ.get("QEMU_JOBS", "2")))
        self.seconds: dict[str, float] = {}
        self._results = {name: self._pool.submit(self._one, name, bench) for name in names}
        # Built once, on the first run of a machine; no test should have to wait for it longer than needed.
        self._judges = threading.Thread(target=self._build_judges, daemon=True)
        self._judges.start()

    @staticmethod
    def _build_judges() -> None:
        with contextlib.suppress(judges.root.RootError):  # the test that needs it tells
            judges.root.sid()

    def _one(self, name: str, bench: crashes.Bench) -> cycle.Result:
        began = time.monotonic()
        try:
            return crashes.CRASHES[name](bench)
        finally:
            self.seconds[name] = time.monotonic() - began

    def result(self, name: str) -> cycle.Result:
        """Wait for the crash called `name`; raises what went wrong in it, in every test that needs it."""
        return self._results[name].result()

    def close(self) -> None:
        """Start no further ones, wait for those that run, and drop what is large."""
        self._pool.shutdown(cancel_futures=True)
        shutil.rmtree(FOLDER / "images", ignore_errors=True)
        if not os.environ.get("INNERCORE_KEEP"):
            for path in FOLDER.rglob("*"):
                if path.is_file() and path.stat().st_size > 100 << 20:
                    path.unlink()


def _crash_of(item: pytest.Item) -> str | None:
    params = getattr(getattr(item, "callspec", None), "params", {})
    if "crash" in params:
        return str(params["crash"])
    return None


def pytest_configure(config: pytest.Config) -> None:
    """A key for the one run of the session."""
    config.stash[RUN] = None


RUN = pytest.StashKey[Run | None]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of one crash together, so that the first can be judged while the next is still being run."""
    order = {name: number for number, name in enumerate(crashes.CRASHES)}
    items.sort(key=lambda item: order.get(_crash_of(item) or "", len(order)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Boot what the selected tests need, in their order, before the first of them waits."""
    if session.config.option.collectonly:
        return
    names = list(dict.fromkeys(name for item in session.items if (name := _crash_of(item))))
    program = pathlib.Path(os.environ.get("INNERCORE_BIN", TREE / "build/innercore")).resolve()
    if names:
        session.config.stash[RUN] = Run(names, program)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Also after an interrupt."""
    run = config.stash.get(RUN, None)
    if run:
        run.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """How long each crash took, and what the tests measured."""
    run = config.stash.get(RUN, None)
    if run:
        terminalreporter.section("crashes")
        for name, seconds in run.seconds.items():
            terminalreporter.line(f"{name:36} {seconds:6.1f} s")
    for title, text in MEASURED:
        terminalreporter.line(f"{title}: {text}")
    for title, rows in TABLES.items():
        terminalreporter.section(title)
        widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            terminalreporter.line("  ".join(cells).rstrip())


MEASURED: list[tuple[str, str]] = []
TABLES: dict[str, list[tuple[str, ...]]] = {}


def table(title: str, head: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The rows of a table of the summary, `head` being the first; append to it what is as long."""
    return TABLES.setdefault(title, [head])


@pytest.fixture
def crash(request: pytest.FixtureRequest) -> cycle.Result:
    """The crash that the test is parametrized with, by name: see on()."""
    run = request.config.stash[RUN]
    assert run is not None
    try:
        return run.result(request.param)
    except debian.GoneError as error:
        if request.param not in crashes.MAY_BE_GONE:
            raise
        pytest.skip(f"{request.param}: {str(error).splitlines()[-1]}")


@pytest.fixture
def outside(crash: cycle.Result) -> kernels.Judged:
    """What the judges in the root of sid say of the crash, once for all tests of it."""
    if crash.plan.kernel.vmlinux is None:
        pytest.skip("no VMLINUX= for this kernel")
    try:
        return kernels.judged(crash)
    except judges.root.RootError as error:
        pytest.skip(str(error))


@pytest.fixture
def measured() -> list[tuple[str, str]]:
    """Append (what, how much) to have it in the summary."""
    return MEASURED


@pytest.fixture(scope="session")
def innercore() -> str:
    """The program under test."""
    return str(pathlib.Path(os.environ.get("INNERCORE_BIN", TREE / "build/innercore")).resolve())


@pytest.fixture
def scratch(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder for large files, emptied at once and not some sessions later."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)
