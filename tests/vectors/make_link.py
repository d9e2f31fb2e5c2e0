#!/usr/bin/env python3
"""Writes link.json: frames of docs/protocol.md section 7, encoded by hand from the text and proto/, not by the Rust code."""

import hashlib
import json
import pathlib
import struct


def varint(n):
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def number(field, n):
    return varint(field << 3) + varint(n) if n else b""


def octets(field, data, always=False):
    return varint(field << 3 | 2) + varint(len(data)) + data if data or always else b""


def short_ids(ids):
    return b"".join(struct.pack("<Q", i) for i in ids)


def extension(f):
    return number(1, f["id"]) + number(2, int(f["critical"])) + octets(3, bytes.fromhex(f["data"]))


IDS = {"want": 5, "gone": 6, "have": 8, "delivered": 12}


def encode(kind, f):
    raw = bytes.fromhex
    if kind in IDS:
        return octets(IDS[kind], octets(1, short_ids(f["ids"])), True)
    no, body = {
        "hello": lambda: (
            1,
            number(1, f["min_version"])
            + number(2, f["max_version"])
            + octets(3, raw(f["nonce"]))
            + number(4, f["capabilities"])
            + number(5, f["credit"])
            + b"".join(octets(6, extension(e), True) for e in f["extensions"]),
        ),
        "summary": lambda: (
            2,
            number(1, f["count"])
            + octets(2, raw(f["fingerprint"]))
            + octets(3, short_ids(f["ids"]))
            + number(4, int(f["more"]))
            + octets(5, raw(f["estimate"])),
        ),
        "symbols": lambda: (3, number(1, f["start"]) + octets(2, raw(f["packed"])) + number(3, int(f["more"]))),
        "more": lambda: (4, number(1, f["count"])),
        "part": lambda: (
            7,
            number(1, f["stream"])
            + number(2, f["total"])
            + number(3, f["age_s"])
            + number(4, f["lifetime_s"])
            + octets(5, raw(f["data"])),
        ),
        "done": lambda: (9, b""),
        "credit": lambda: (10, number(1, f["bytes"])),
        "membership": lambda: (11, octets(1, raw(f["tags"]))),
        "close": lambda: (13, number(1, f["reason"])),
        "extension": lambda: (14, extension(f)),
        "ping": lambda: (15, number(1, f["number"])),
        "pong": lambda: (16, number(1, f["number"])),
    }[kind]()
    return octets(no, body, True)


def wire(frame):
    return (struct.pack(">H", len(frame)) + frame).hex()


def part(stream, total, age_s, lifetime_s, data):
    return {"stream": stream, "total": total, "age_s": age_s, "lifetime_s": lifetime_s, "data": data.hex()}


def summary(count=0, fingerprint="", ids=(), more=False, estimate=""):
    return {"count": count, "fingerprint": fingerprint, "ids": list(ids), "more": more, "estimate": estimate}


def symbols(start, packed, more=False):
    return {"start": start, "packed": packed, "more": more}


def hello(**changed):
    base = {"min_version": 1, "max_version": 1, "nonce": "03" * 16, "capabilities": 3, "credit": 30720, "extensions": []}
    return base | changed


def ext(id, critical=False, data=""):
    return {"id": id, "critical": critical, "data": data}


FRAMES = [
    ("the Hello of a slow link", "hello", hello()),
    (
        "a later version, with extensions that may be passed over",
        "hello",
        hello(
            max_version=3,
            nonce="00112233445566778899aabbccddeeff",
            capabilities=0x80000001,
            credit=262144,
            extensions=[ext(77, data="c0ffee"), ext(0)],
        ),
    ),
    ("a short set, listed", "summary", summary(2, bytes(range(1, 17)).hex(), [1, 0xFEDCBA9876543210])),
    ("a larger set, with its estimate", "summary", summary(10000, "ff" * 16, estimate="02" * 64)),
    ("a continuation of a list", "summary", summary(ids=[5, 6, 7], more=True)),
    ("the empty set", "summary", summary(fingerprint="00" * 16)),
    ("symbols from index 96 on, with more to follow", "symbols", symbols(96, "0100000000000000" "05000000" "02", True)),
    ("48 symbols more", "more", {"count": 48}),
    ("the plain list instead", "more", {"count": 0}),
    ("two wanted", "want", {"ids": [1, 2]}),
    ("one gone", "gone", {"ids": [3]}),
    ("120 announced, the most there can be", "have", {"ids": list(range(1, 121))}),
    ("opened and stored", "delivered", {"ids": [2**64 - 1]}),
    ("a text bundle of 256 bytes, whole", "part", part(0, 256, 90, 604800, bytes(range(256)))),
    ("the first piece of 16 KiB", "part", part(1, 16384, 604800, 604800, b"\xab" * 1000)),
    ("a later piece on the bulk stream", "part", part(1, 0, 0, 0, b"\xcd" * 384)),
    ("a later piece on the text stream", "part", part(0, 0, 0, 0, b"\xef" * 24)),
    ("over for the sender", "done", {}),
    ("the least credit", "credit", {"bytes": 1}),
    ("the greatest credit", "credit", {"bytes": 262144}),
    ("four tags", "membership", {"tags": hashlib.sha256(b"tags").hexdigest()}),
    ("shutdown", "close", {"reason": 1}),
    ("a reason of a later version", "close", {"reason": 99}),
    ("an extension that is critical", "extension", ext(1, True, "01")),
    ("the first question of a link", "ping", {"number": 0}),
    ("an answer", "pong", {"number": 300}),
]

REFUSED = [
    ("empty", "length", b""),
    ("1,025 bytes", "length", octets(14, octets(3, bytes(1019)))),
    ("not protobuf", "malformed", b"\xff\xff\xff"),
    ("a body cut short", "malformed", encode("want", {"ids": [1, 2]})[:-1]),
    ("field 17", "unknown", octets(17, b"", True)),
    ("an unknown field only", "unknown", number(100, 1)),
    ("version 0", "hello.versions", encode("hello", hello(min_version=0))),
    ("versions the wrong way round", "hello.versions", encode("hello", hello(min_version=2))),
    ("nonce of 15", "hello.nonce", encode("hello", hello(nonce="03" * 15))),
    ("nonce of 17", "hello.nonce", encode("hello", hello(nonce="03" * 17))),
    ("a first credit of 2,047", "credit", encode("hello", hello(credit=2047))),
    ("a first credit of 262,145", "credit", encode("hello", hello(credit=262145))),
    ("nine extensions", "hello.extensions", encode("hello", hello(extensions=[ext(1)] * 9))),
    ("fingerprint of 15", "summary.fingerprint", encode("summary", summary(1, "01" * 15))),
    ("ids of 12 bytes", "ids", octets(2, octets(3, b"\1" * 12))),
    ("121 ids in a list", "ids", encode("summary", summary(121, ids=range(121)))),
    ("estimate of 193 bytes", "summary.estimate", encode("summary", summary(1, estimate="01" * 193))),
    ("no symbols", "symbols", encode("symbols", symbols(0, ""))),
    ("1,001 bytes of symbols", "symbols", encode("symbols", symbols(0, "01" * 1001))),
    ("symbols beyond the cap", "symbols", encode("symbols", symbols(16384, "01"))),
    ("more than the cap", "more", encode("more", {"count": 16385})),
    ("nothing wanted", "ids", encode("want", {"ids": []})),
    ("121 gone", "ids", encode("gone", {"ids": range(121)})),
    ("nine bytes announced", "ids", octets(8, octets(1, b"\1" * 9))),
    ("nothing delivered", "ids", encode("delivered", {"ids": []})),
    ("stream 2", "part.stream", encode("part", part(2, 0, 0, 0, b"\1"))),
    ("a total of no class", "part.total", encode("part", part(0, 257, 0, 60, b"\1"))),
    ("4 KiB as text", "part.total", encode("part", part(0, 4096, 0, 60, b"\1"))),
    ("256 bytes as bulk", "part.total", encode("part", part(1, 256, 0, 60, b"\1"))),
    ("an age in a later piece", "part.continuation", encode("part", part(0, 0, 1, 0, b"\1"))),
    ("a lifetime in a later piece", "part.continuation", encode("part", part(0, 0, 0, 1, b"\1"))),
    ("no data", "part.data", encode("part", part(0, 256, 0, 60, b""))),
    ("1,001 bytes of data", "part.data", encode("part", part(1, 0, 0, 0, b"\1" * 1001))),
    ("no credit", "credit", encode("credit", {"bytes": 0})),
    ("credit of 262,145", "credit", encode("credit", {"bytes": 262145})),
    ("five tags", "membership.tags", encode("membership", {"tags": "01" * 40})),
    ("no tags", "membership.tags", encode("membership", {"tags": ""})),
]

SESSIONS = [
    (b"\1" * 32, b"\2" * 32, b"\3" * 16, b"\4" * 16),
    (hashlib.sha256(b"d").digest(), hashlib.sha256(b"l").digest(), bytes(range(16)), bytes(range(16, 32))),
]

# Link-up on a slow link, the listener holding one bundle and the dialer none.
EXCHANGE = [
    ("dialer", "hello", hello()),
    ("listener", "hello", hello(nonce="04" * 16)),
    ("listener", "summary", summary(1, "09" * 16, [77])),
    ("dialer", "want", {"ids": [77]}),
    ("listener", "done", {}),
    ("listener", "part", part(0, 256, 5, 60, hashlib.shake_256(b"bundle").digest(256))),
    ("dialer", "done", {}),
]

assert len(REFUSED[1][2]) == 1025
vectors = {
    "about": "docs/protocol.md, section 7: frames with their length of two bytes; short ids as numbers, bytes in hex.",
    "frames": [{"name": n, "kind": k, "fields": f, "wire": wire(encode(k, f))} for n, k, f in FRAMES],
    "refused": [{"name": n, "kind": k, "frame": b.hex()} for n, k, b in REFUSED],
    "sessions": [
        {
            "dialer": dialer.hex(),
            "listener": listener.hex(),
            "dialer_nonce": ours.hex(),
            "listener_nonce": theirs.hex(),
            "session": hashlib.sha256(b"sovereign/v1/session\0" + dialer + listener + ours + theirs).hexdigest(),
        }
        for dialer, listener, ours, theirs in SESSIONS
    ],
    "exchange": [{"from": side, "kind": k, "wire": wire(encode(k, f))} for side, k, f in EXCHANGE],
}
assert sum(len(frame["wire"]) // 2 for frame in vectors["exchange"]) == 391
text = json.dumps(vectors, indent=1) + "\n"
pathlib.Path(__file__).with_name("link.json").write_text(text)
