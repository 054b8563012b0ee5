# SPDX-License-Identifier: GPL-2.0-or-later
"""Headless Chromium, and what its screenshots show."""
import html.parser
import shutil
import struct
import subprocess
import zlib

FLAGS = ('--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync', '--hide-scrollbars')


def find():
    return shutil.which('chromium') or shutil.which('chromium-browser')


def run(page, folder, *flags, width=1280, height=1600):
    """Standard output of one visit to the file @page."""
    profile = folder / 'profile'
    argv = [find(), *FLAGS, f'--user-data-dir={profile}', f'--window-size={width},{height}', *flags, f'file://{page}']
    done = subprocess.run(argv, capture_output=True, timeout=300)
    shutil.rmtree(profile, ignore_errors=True)
    assert done.returncode == 0, done.stderr.decode(errors='replace')
    return done.stdout.decode()


def dom(page, folder):
    """The document as it is after its scripts ran."""
    return run(page, folder, '--dump-dom')


def screenshot(page, folder, **size):
    path = folder / 'screenshot.png'
    run(page, folder, f'--screenshot={path}', **size)
    return Png(path.read_bytes())


class Png:
    """Pixels of a PNG with 8 bits a channel, not interlaced."""

    def __init__(self, raw):
        assert raw[:8] == b'\x89PNG\r\n\x1a\n'
        pos, data = 8, b''
        while pos < len(raw):
            length, kind = struct.unpack_from('>I4s', raw, pos)
            chunk = raw[pos + 8:pos + 8 + length]
            if kind == b'IHDR':
                self.width, self.height, depth, colours, _, _, interlaced = struct.unpack('>IIBBBBB', chunk)
                assert depth == 8 and colours in (2, 6) and not interlaced
            elif kind == b'IDAT':
                data += chunk
            pos += 12 + length
        self.bytes_per_pixel = 3 if colours == 2 else 4
        self.rows = self._unfilter(zlib.decompress(data))

    def _unfilter(self, raw):
        bpp, stride = self.bytes_per_pixel, self.width * self.bytes_per_pixel
        rows, above = [], bytearray(stride)
        for y in range(self.height):
            kind, row = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
            if kind == 1:
                for i in range(bpp, stride):
                    row[i] = row[i] + row[i - bpp] & 255
            elif kind == 2:
                row = bytearray(a + b & 255 for a, b in zip(row, above))
            elif kind == 3:
                for i in range(stride):
                    row[i] = row[i] + ((row[i - bpp] if i >= bpp else 0) + above[i] >> 1) & 255
            elif kind == 4:
                for i in range(stride):
                    a, b, c = (row[i - bpp], above[i], above[i - bpp]) if i >= bpp else (0, above[i], 0)
                    pa, pb, pc = abs(b - c), abs(a - c), abs(a + b - 2 * c)
                    row[i] = row[i] + (a if pa <= pb and pa <= pc else b if pb <= pc else c) & 255
            rows.append(bytes(row))
            above = row
        return rows

    def count(self, colour):
        """Pixels of exactly this colour, '#rrggbb'."""
        rgb, bpp = bytes.fromhex(colour[1:]), self.bytes_per_pixel
        return sum(row[i:i + 3] == rgb for row in self.rows for i in range(0, len(row), bpp))


VOID = {'area', 'base', 'br', 'col', 'embed', 'hr', 'img', 'input', 'link', 'meta', 'source', 'track', 'wbr'}
# In SVG an element may close itself.
SELF_CLOSING = {'path', 'rect'}


class WellFormed(html.parser.HTMLParser):
    """Every element that opens closes, in order; and what a page could load from elsewhere."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.wrong, self.loads, self.tags, self.text, self.ids = [], [], [], [], [], []
        self.feed(text)
        self.close()
        self.wrong += [f'<{tag}> is not closed' for tag in self.open]

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        self._check(tag, attrs)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in SELF_CLOSING | VOID:
            self.wrong.append(f'<{tag}/>')
        self._check(tag, attrs)

    def _check(self, tag, attrs):
        names = [name for name, _ in attrs]
        if len(set(names)) != len(names):
            self.wrong.append(f'<{tag}> names an attribute twice')
        for name, value in attrs:
            if name == 'id':
                if value in self.ids:
                    self.wrong.append(f'id {value} is there twice')
                self.ids.append(value)
            if name.startswith('on') or name == 'src' or (name in ('href', 'xlink:href', 'action') and not value.startswith('#')):
                self.loads.append((tag, name, value))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f'</{tag}> at {self.getpos()}')

    def handle_data(self, data):
        self.text.append((self.open[-1] if self.open else '', data))

    def visible(self):
        return ''.join(data for tag, data in self.text if tag not in ('script', 'style'))
