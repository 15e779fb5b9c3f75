#!/usr/bin/env python3
"""Writes the hand-made seeds of the body fuzz target. Run it anywhere; it writes the same files each time."""

import gzip
import os
import zlib

TEXT = b"calltrace " * 50
GZIP = gzip.compress(TEXT, mtime=0)
DEFLATE = zlib.compress(TEXT)
RAW = zlib.compressobj(wbits=-15)
NAMED = b"\x1f\x8b\x08\x1c\0\0\0\0\0\x03" + b"\x04\0abcd" + b"name\0" + b"comment\0" + GZIP[10:]

SEEDS = {
    "gzip": b"\0" + GZIP, "gzip_two": b"\0" + GZIP + gzip.compress(b"", mtime=0) + GZIP, "gzip_named": b"\0" + NAMED,
    "gzip_junk": b"\0" + GZIP + b"junk", "gzip_half": b"\0" + GZIP[: len(GZIP) // 2], "gzip_crc": b"\0" + GZIP[:-8] + b"\0" * 8,
    "gzip_length": b"\0" + GZIP[:-4] + b"\xff" * 4, "gzip_empty": b"\0", "gzip_head": b"\0" + GZIP[:10],
    "gzip_bomb": b"\0" + gzip.compress(b"\0" * (1 << 20), mtime=0), "gzip_bomb_more": b"\0" + gzip.compress(b"\0" * ((1 << 20) + 1), mtime=0),
    "gzip_members": b"\0" + gzip.compress(b"", mtime=0) * 400, "deflate": b"\1" + DEFLATE, "deflate_junk": b"\1" + DEFLATE + b"x",
    "deflate_raw": b"\1" + RAW.compress(TEXT) + RAW.flush(), "identity": b"\2" + TEXT, "unknown": b"\4" + TEXT, "none": b"\5" + TEXT,
}

os.chdir(os.path.dirname(os.path.abspath(__file__)))
os.makedirs("inflate", exist_ok=True)
for name, seed in SEEDS.items():
    with open(os.path.join("inflate", name), "wb") as file:
        file.write(seed)
