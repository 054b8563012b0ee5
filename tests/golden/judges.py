# SPDX-License-Identifier: GPL-2.0-or-later
"""Running innercore, and the outside programs that judge what it wrote."""
import json
import os
import subprocess

PAGE = 4096


class Result:
    def __init__(self, code, stdout, stderr, report):
        self.code, self.stdout, self.stderr, self.report = code, stdout, stderr, report

    def __repr__(self):
        return f'exit {self.code}\n{self.stderr}\n{self.report}'


def environment():
    """Sanitizers must not be mistaken for an exit code of ours, nor take the SIGBUS that a window answers with."""
    return dict(os.environ, ASAN_OPTIONS='exitcode=99:detect_leaks=1:handle_sigbus=0',
                UBSAN_OPTIONS='halt_on_error=1:exitcode=99')


def capture(binary, src, dest, codec='zlib', level=0, *more, **kwargs):
    """innercore capture --json; the report is the last JSON object on its stream."""
    argv = [binary, 'capture', '-z', codec, '-d', str(level), '--json', '-q', *more, str(src), str(dest)]
    to_stream = dest == '-'
    done = subprocess.run(argv, stdout=kwargs.pop('stdout', subprocess.PIPE), stderr=subprocess.PIPE, env=environment(),
                          timeout=100, **kwargs)
    stderr = done.stderr.decode(errors='replace')
    assert done.returncode not in (99, -6, -7, -11), stderr
    text = stderr if to_stream else (done.stdout or b'').decode()
    start = text.find('{\n') if '{\n' in text else text.find('{')
    report = json.loads(text[start:text.rfind('}') + 1]) if start >= 0 else None
    return Result(done.returncode, done.stdout, stderr, report)


def runs(pfns, limit=256):
    """[first, last + 1) of ascending neighbours."""
    out = []
    for pfn in sorted(pfns):
        if out and out[-1][1] == pfn and pfn - out[-1][0] < limit:
            out[-1][1] += 1
        else:
            out.append([pfn, pfn + 1])
    return out


class Kdumpfile:
    """libkdumpfile. read() gives bytes or the name of the error."""

    def __init__(self, path):
        import kdumpfile
        self.lib, self.file = kdumpfile, kdumpfile.kdumpfile(str(path))

    def read(self, paddr, length=PAGE):
        try:
            return bytes(self.file.read(self.lib.KDUMP_MACHPHYSADDR, paddr, length))
        except self.lib.exceptions.KDumpBaseException as e:
            return type(e).__name__

    def attr(self, name):
        return self.file.attr[name]

    def differences(self, pfns, content):
        """PFNs that do not read as content(paddr, length) says, with what they read as."""
        bad = {}
        for first, end in runs(pfns):
            got = self.read(first * PAGE, (end - first) * PAGE)
            if got == content(first * PAGE, (end - first) * PAGE):
                continue
            for pfn in range(first, end):
                got = self.read(pfn * PAGE)
                if got != content(pfn * PAGE, PAGE):
                    bad[pfn] = got if isinstance(got, str) else 'differs'
        return bad


def drgn_read(path, paddrs):
    """{paddr: bytes or name of the error}"""
    import drgn
    prog = drgn.Program()
    prog.set_core_dump(str(path))
    out = {}
    for paddr in paddrs:
        try:
            out[paddr] = prog.read(paddr, PAGE, True)
        except drgn.FaultError:
            out[paddr] = 'FaultError'
    return out


def makedumpfile(src, dest, level=0, *more):
    """Filter @src once more. (exit code, all that it printed)"""
    done = subprocess.run(['makedumpfile', '-c', '-f', '-d', str(level), *more, str(src), str(dest)],
                          capture_output=True, timeout=100)
    return done.returncode, (done.stdout + done.stderr).decode(errors='replace')


def rearrange(stream_path, dest):
    """makedumpfile -R"""
    with open(stream_path, 'rb') as f:
        done = subprocess.run(['makedumpfile', '-f', '-R', str(dest)], stdin=f, capture_output=True, timeout=100)
    return done.returncode, (done.stdout + done.stderr).decode(errors='replace')


def run_text(*argv):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout + done.stderr
