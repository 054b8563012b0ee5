# SPDX-License-Identifier: GPL-2.0-or-later
"""
A file whose reads fail where the caller wants: a file system of one file, spoken straight to /dev/fuse, no library.

    unshare -m python3 faultfs.py BACKING MOUNTPOINT RANGES COMMAND...

serves BACKING as MOUNTPOINT/core and runs COMMAND, whose exit code it gives. RANGES are START-END byte offsets, comma
separated: reads there end in EIO, and touching them in a mapping in SIGBUS, as a broken medium or /proc/vmcore over a
machine check would. A range "slow:START-END" is read with a pause instead; with "cut:START-END", the file turns out to end at
START, as one does that is cut short after it was opened. Needs root and /dev/fuse.
"""
import ctypes
import errno
import os
import struct
import subprocess
import sys
import threading
import time

LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT, OPENDIR, RELEASEDIR = 1, 2, 3, 14, 15, 18, 25, 26, 27, 29
INTERRUPT, DESTROY, BATCH_FORGET = 36, 38, 42
ROOT_NODE, FILE_NODE = 1, 2
IN_HEADER = struct.Struct('<IIQQIIII')
PAUSE_SECONDS = 0.05


def available():
    return os.geteuid() == 0 and os.access('/dev/fuse', os.R_OK | os.W_OK)


class FaultFs:
    def __init__(self, backing, mountpoint, bad, slow, cut):
        self.data_fd = os.open(backing, os.O_RDONLY)
        self.size = os.fstat(self.data_fd).st_size
        self.bad, self.slow = bad, slow
        self.end = min((start for start, _ in cut), default=self.size)
        self.fuse_fd = os.open('/dev/fuse', os.O_RDWR)
        libc = ctypes.CDLL(None, use_errno=True)
        options = f'fd={self.fuse_fd},rootmode=40000,user_id=0,group_id=0'
        if libc.mount(b'faultfs', os.fsencode(mountpoint), b'fuse', 0, options.encode()):
            raise OSError(ctypes.get_errno(), 'mount')

    def attr(self, node):
        mode, size = (0o040755, 0) if node == ROOT_NODE else (0o100644, self.size)
        return struct.pack('<QQQ24x12xIIIIIII', node, size, -(-size // 512), mode, 1, 0, 0, 0, 4096, 0)

    def read(self, offset, size):
        end = min(offset + size, self.end)
        if any(a < end and offset < b for a, b in self.slow):
            time.sleep(PAUSE_SECONDS)
        if any(a < end and offset < b for a, b in self.bad):
            return errno.EIO
        return os.pread(self.data_fd, max(0, end - offset), offset)

    def answer(self, opcode, node, body):
        """Bytes, or the number of an error, or None: no answer is wanted."""
        if opcode == INIT:
            return struct.pack('<IIIIHHIIHHI', 7, 31, 1 << 20, 0, 16, 12, 1 << 16, 1, 0, 0, 0) + bytes(28)
        if opcode == LOOKUP:
            if body.rstrip(b'\0') != b'core':
                return errno.ENOENT
            return struct.pack('<QQQQII', FILE_NODE, 0, 3600, 3600, 0, 0) + self.attr(FILE_NODE)
        if opcode == GETATTR:
            return struct.pack('<QII', 3600, 0, 0) + self.attr(node)
        if opcode in (OPEN, OPENDIR):
            return struct.pack('<QII', 0, 0, 0)
        if opcode == READ:
            return self.read(*struct.unpack_from('<QI', body, 8))
        if opcode in (FORGET, BATCH_FORGET, INTERRUPT):
            return None
        if opcode in (RELEASE, RELEASEDIR, FLUSH, DESTROY):
            return b''
        return errno.ENOSYS

    def serve(self):
        while True:
            try:
                request = os.read(self.fuse_fd, 1 << 20)
            except OSError as e:
                if e.errno == errno.ENODEV:  # unmounted
                    return
                continue
            _, opcode, unique, node, _, _, _, _ = IN_HEADER.unpack_from(request)
            out = self.answer(opcode, node, request[IN_HEADER.size:])
            if out is None:
                continue
            error, payload = (-out, b'') if isinstance(out, int) else (0, out)
            try:
                os.write(self.fuse_fd, struct.pack('<IiQ', 16 + len(payload), error, unique) + payload)
            except OSError:
                continue


def main():
    backing, mountpoint, ranges = sys.argv[1:4]
    into = {'': [], 'slow': [], 'cut': []}
    for text in filter(None, ranges.split(',')):
        kind, _, span = text.rpartition(':')
        into[kind].append(tuple(int(n) for n in span.split('-')))
    fs = FaultFs(backing, mountpoint, *into.values())
    threading.Thread(target=fs.serve, daemon=True).start()
    code = subprocess.call(sys.argv[4:])
    sys.stdout.flush()
    os._exit(code if code >= 0 else 128 - code)


if __name__ == '__main__':
    main()
