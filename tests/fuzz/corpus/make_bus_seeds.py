#!/usr/bin/env python3
"""Writes the seeds of the bus envelope: good messages, and attacks on depth, count and length by hand."""

from pathlib import Path

OUT = Path(__file__).resolve().parent / "bus"


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def fixed(field: int, value: int) -> bytes:
    return varint(field << 3 | 1) + (value % (1 << 64)).to_bytes(8, "little")


def data(field: int, value: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(value)) + value


def envelope(field: int, body: bytes, version=1) -> bytes:
    return number(1, version) + data(2, bytes(16)) + data(field, body)


def key(kind: int, value: bytes) -> bytes:
    return number(1, kind) + data(2, value)


def trace(extra=b"") -> bytes:
    return (data(1, b"\1" * 16) + number(2, 1) + data(3, key(1, b"order")) +
            data(4, data(1, b"env") + data(2, b"prod")) + fixed(5, -1) + fixed(6, 2**63 - 1) +
            number(7, 8) + number(8, 1) +
            data(9, data(1, b"\2" * 8) + fixed(2, 1) + fixed(3, 2) + data(4, b"root")) +
            data(10, b"service") + data(11, bytes(16)) +
            data(12, number(1, 4) + data(2, b"k") + data(3, b"v")) + data(13, b"\3" * 16) +
            data(14, b"segment") + number(15, 100) + extra)


def call() -> bytes:
    return (data(1, bytes(16)) + data(2, b"\1" * 16) + number(3, 1) + number(4, 1) +
            data(5, key(2, b"RM_1")) + data(6, b"{}") + fixed(7, 1) + fixed(8, 2) + number(10, 1) +
            number(11, 2) + data(12, b"title") + data(13, bytes(16)) + data(14, bytes(16)) +
            number(15, 1) + number(16, 1))


def event(extra=b"") -> bytes:
    part = (number(1, 31) + fixed(2, 1) + number(5, 1) + fixed(6, 2) + number(7, 3) + number(8, 1) +
            data(9, b"room") + data(10, b"{}"))
    return (data(1, bytes(16)) + data(2, b"\1" * 16) + number(3, 2) + data(4, key(2, b"RM_1")) +
            data(5, part) + fixed(6, 1) + number(7, 1) + extra)


def reply() -> bytes:
    return (number(1, 1) + number(2, 2) + data(3, b"taken") + data(4, bytes(16)) + number(5, 1) +
            data(6, b"value") + data(7, bytes(16)) + fixed(8, 1) +
            data(9, data(1, bytes(16)) + number(2, 3) + data(3, b"why")))


def nested(levels: int) -> bytes:
    """Unknown fields in unknown fields: nothing may follow them down."""
    inner = b""
    for _ in range(levels):
        inner = data(99, inner)
    return inner


SEEDS = {
    "empty": b"",
    "spans": envelope(3, data(1, bytes(16)) + data(2, trace()) + fixed(3, 42)),
    "call": envelope(4, call()),
    "event": envelope(6, event()),
    "event_unknown_part": envelope(6, event(data(5, number(1, 2)))),
    "event_two_lines": envelope(6, event(data(5, number(1, 33) + data(10, b"{\n}")))),
    "count_parts": envelope(6, event(data(5, number(1, 33)) * 20)),
    "key_use": envelope(5, data(1, data(1, bytes(16)) + data(2, bytes(16)) + fixed(3, 1))),
    "key_change": envelope(7, data(1, bytes(16)) + data(2, b"\2" * 16) + data(3, b"\3" * 16) + fixed(4, 1) +
                           number(5, 1) + data(6, b"laptop") + data(7, b"ct_") + data(8, bytes(32)) + number(9, 15)),
    "reply": reply(),
    "announcement": number(1, 1) + data(2, bytes(16)) + number(3, 3) + data(5, bytes(16)),
    "version_0": envelope(4, call(), 0),
    "version_2": envelope(4, call(), 2),
    "two_bodies": envelope(4, call()) + data(3, data(1, bytes(16)) + data(2, trace())),
    "depth_unknown": envelope(3, nested(2000)),
    "count_traces": envelope(3, data(1, bytes(16)) + data(2, b"") * 50_000),
    "count_keys": envelope(3, data(1, bytes(16)) + data(2, trace(data(3, key(1, b"x")) * 1024))),
    "count_tags": envelope(3, data(1, bytes(16)) + data(2, trace(data(4, data(1, b"k")) * 40))),
    "length_beyond": number(1, 1) + b"\x1a\xff\xff\xff\xff\x0f" + bytes(8),
    "length_64_bits": number(1, 1) + b"\x1a" + b"\xff" * 9 + b"\x01",
    "varint_without_end": b"\x08" + b"\xff" * 11,
    "group": number(1, 1) + b"\x1b\x1c",
    "bad_key_kind": envelope(4, call() + data(5, key(77, b"x"))),
    "bad_key_utf8": envelope(4, call() + data(5, key(1, b"\xed\xa0\x80"))),
    "short_id": envelope(4, call() + data(2, b"\1" * 15)),
}


def main():
    OUT.mkdir(exist_ok=True)
    for name, seed in SEEDS.items():
        (OUT / name).write_bytes(seed)
        if len(seed) > 40 and not name.startswith(("count", "depth")):
            (OUT / f"{name}_cut").write_bytes(seed[:len(seed) * 2 // 3])


if __name__ == "__main__":
    main()
