#!/usr/bin/env python3
"""Writes reconcile.json: docs/protocol.md §8 once more, from the text and with nothing but the
standard library, so that the vectors do not merely repeat what the Rust code says."""

import hashlib
import json
import math
import pathlib

MASK = (1 << 64) - 1


def rotate(x, b):
    return ((x << b) | (x >> (64 - b))) & MASK


def siphash(key, message, wide):
    """SipHash-2-4 with 8 or (wide) 16 bytes of output."""
    k0, k1 = (int.from_bytes(key[i : i + 8], "little") for i in (0, 8))
    v = [
        k0 ^ 0x736F6D6570736575,
        k1 ^ 0x646F72616E646F6D,
        k0 ^ 0x6C7967656E657261,
        k1 ^ 0x7465646279746573,
    ]
    if wide:
        v[1] ^= 0xEE

    def rounds(n):
        for _ in range(n):
            v[0] = (v[0] + v[1]) & MASK
            v[1] = rotate(v[1], 13) ^ v[0]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[3]) & MASK
            v[3] = rotate(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & MASK
            v[3] = rotate(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & MASK
            v[1] = rotate(v[1], 17) ^ v[2]
            v[2] = rotate(v[2], 32)

    whole = len(message) - len(message) % 8
    words = [message[i : i + 8] for i in range(0, whole, 8)]
    words.append(message[whole:].ljust(7, b"\0") + bytes([len(message) & 0xFF]))
    for word in words:
        m = int.from_bytes(word, "little")
        v[3] ^= m
        rounds(2)
        v[0] ^= m
    v[2] ^= 0xEE if wide else 0xFF
    rounds(4)
    out = (v[0] ^ v[1] ^ v[2] ^ v[3]).to_bytes(8, "little")
    if wide:
        v[1] ^= 0xDD
        rounds(4)
        out += (v[0] ^ v[1] ^ v[2] ^ v[3]).to_bytes(8, "little")
    return out


def zigzag(value):
    rest = value * 2 if value >= 0 else -value * 2 - 1
    out = bytearray()
    while rest >= 0x80:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def varint(value):
    return zigzag(value // 2) if value % 2 == 0 else zigzag(-(value // 2) - 1)


def split_mix(state):
    state = (state + 0x9E3779B97F4A7C15) & MASK
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return state, z ^ (z >> 31)


def indices(check, below):
    state, index = check, 0
    while index < below:
        yield index
        state, random = split_mix(state)
        gap = (float(index) + 1.5) * (4294967296.0 / math.sqrt(float(random) + 1.0) - 1.0)
        index += max(1, math.ceil(gap))


class Session:
    def __init__(self, session_id):
        self.ids, self.checks = session_id[:16], session_id[16:]

    def share(self, content):
        return siphash(self.ids, content, True)

    def short(self, content):
        return self.share(content)[:8]

    def check(self, short):
        return siphash(self.checks, short, False)

    def fingerprint(self, contents):
        total = sum(int.from_bytes(self.share(c), "little") for c in contents)
        return (total & ((1 << 128) - 1)).to_bytes(16, "little")

    def counters(self, contents):
        counters = [0] * 64
        for content in contents:
            upper = int.from_bytes(self.share(content)[8:], "little")
            for j in range(64):
                counters[j] += 1 if upper >> j & 1 else -1
        return counters

    def estimate(self, contents):
        return b"".join(zigzag(c) for c in self.counters(contents))

    def symbols(self, contents, count):
        cells = [[0, 0, 0] for _ in range(count)]
        for content in contents:
            short = self.short(content)
            check = self.check(short)
            for i in indices(int.from_bytes(check, "little"), count):
                cells[i][0] ^= int.from_bytes(short, "little")
                cells[i][1] ^= int.from_bytes(check[:4], "little")
                cells[i][2] += 1
        return b"".join(
            s.to_bytes(8, "little") + c.to_bytes(4, "little") + zigzag(n) for s, c, n in cells
        )


def first_batch(session, dialer, listener):
    """Symbols of the dialer's first batch; the vectors' sets are far from a list's size."""
    counters = zip(session.counters(dialer), session.counters(listener))
    estimated = -(-sum((a - b) ** 2 for a, b in counters) // 64)
    difference = max(estimated, abs(len(dialer) - len(listener)))
    assert 14 * (difference * 3 // 2 + 16) <= 8 * min(len(dialer), len(listener))
    return min(max(difference * 9 // 5 + 16, 32), 2048)


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def number(number_, value):
    return varint(number_ << 3) + varint(value) if value else b""


def frame(body_number, body):
    encoded = field(body_number, body)
    return len(encoded).to_bytes(2, "big") + encoded


def content(n):
    return hashlib.sha256(n.to_bytes(4, "big")).digest()


def main():
    session_id = bytes(range(0x40, 0x60))
    session = Session(session_id)
    some = [content(n) for n in range(5)]
    dialer = [content(n) for n in range(0, 110)]
    listener = [content(n) for n in range(4, 113)]
    only_dialer = sorted((session.short(c) for c in dialer if c not in listener), key=lambda b: b[::-1])
    only_listener = sorted((session.short(c) for c in listener if c not in dialer), key=lambda b: b[::-1])
    ids = b"".join(sorted((session.short(c) for c in some), key=lambda b: b[::-1]))
    small = frame(2, number(1, 5) + field(2, session.fingerprint(some)) + field(3, ids))
    large = frame(
        2,
        number(1, len(listener))
        + field(2, session.fingerprint(listener))
        + field(5, session.estimate(listener)),
    )
    batch = session.symbols(dialer, first_batch(session, dialer, listener))
    vectors = {
        "about": "docs/protocol.md 8; content n is SHA-256 of n as u32be; byte strings in hex",
        "session_id": session_id.hex(),
        "short_ids": [
            {
                "content": c.hex(),
                "share": session.share(c).hex(),
                "short": session.short(c).hex(),
                "check": session.check(session.short(c)).hex(),
            }
            for c in some
        ],
        "indices": [
            {"check": check.hex(), "below_16384": list(indices(int.from_bytes(check, "little"), 16384))}
            for check in [bytes(8), b"\xff" * 8] + [session.check(session.short(c)) for c in some]
        ],
        "sets": [
            {
                "first": first,
                "count": count,
                "fingerprint": session.fingerprint(contents).hex(),
                "estimate": session.estimate(contents).hex(),
                "symbols": session.symbols(contents, 40).hex(),
            }
            for first, count in [(0, 0), (0, 1), (0, 5), (1000, 300)]
            for contents in [[content(n) for n in range(first, first + count)]]
        ],
        "course": {
            "dialer": [0, 110],
            "listener": [4, 113],
            "summary": large.hex(),
            "symbols": frame(3, field(2, batch)).hex(),
            "listener_lacks": [s.hex() for s in only_dialer],
            "dialer_lacks": [s.hex() for s in only_listener],
        },
        "small_summary": {"count": 5, "frame": small.hex()},
    }
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(vectors, indent=2) + "\n")


if __name__ == "__main__":
    main()
