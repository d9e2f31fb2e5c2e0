#!/usr/bin/env python3
"""Writes radio_stream.json: section 12 of docs/protocol.md, from the text, not by the Rust code."""

import json
import pathlib
import struct

WINDOW = 120


def bitmap(early, first_missing):
    """Bit i stands for frame first_missing + 1 + i; no zero byte at the end."""
    bits = sum(1 << (number - first_missing - 1) for number in early)
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def acknowledgement(next_number, credit=WINDOW, early=()):
    return struct.pack(">HB", next_number & 0xFFFF, credit) + bitmap(early, next_number)


def first_byte(kind, ack, poll):
    return bytes([kind << 6 | (ack is not None) << 5 | poll << 4 | (len(ack) - 3 if ack else 0)])


def data(number, payload, ack=None, poll=False, last=False):
    return first_byte(int(last), ack, poll) + struct.pack(">H", number) + (ack or b"") + payload


def only_ack(ack, poll=False):
    return first_byte(2, ack, poll) + ack


def reset(reason):
    return bytes([0xC0, reason])


def described(name, frame, **fields):
    return {"name": name, "hex": frame.hex(), **fields}


def ack_fields(next_number, credit=WINDOW, early=()):
    return {"next": next_number, "credit": credit, "early": list(early)}


def data_frame(name, number, payload, poll=False, last=False, ack=None):
    block = acknowledgement(**{"next_number": ack["next"], "credit": ack["credit"], "early": ack["early"]}) if ack else None
    frame = data(number, payload, block, poll, last)
    kind = "last" if last else "data"
    return described(name, frame, kind=kind, number=number, poll=poll, ack=ack, payload=payload.hex())


def ack_frame(name, ack, poll=False):
    block = acknowledgement(ack["next"], ack["credit"], ack["early"])
    return described(name, only_ack(block, poll), kind="ack", poll=poll, ack=ack)


FRAMES = [
    data_frame("the first frame of a stream", 0, b"hello"),
    data_frame("the highest number", 65535, b"\x00"),
    data_frame("the longest frame", 7, b"\xab" * 492),
    data_frame("data that carry an acknowledgement", 258, b"answer", ack=ack_fields(772, 119)),
    data_frame("data with a bitmap, asking", 1, b"?", poll=True, ack=ack_fields(5, 115, [6, 8, 13, 14])),
    data_frame("the end, with data", 9, b"bye", poll=True, last=True),
    data_frame("the end alone, with an acknowledgement", 10, b"", poll=True, last=True, ack=ack_fields(0)),
    ack_frame("nothing has come, and nothing may be sent", ack_fields(0, 0)),
    ack_frame("the whole window but the first", ack_fields(0, 120, range(1, 120))),
    ack_frame("only the last of the window", ack_fields(1000, 120, [1119])),
    ack_frame("bitmaps go over the end of the numbers", ack_fields(65534, 120, [65535, 65536, 65543])),
    ack_frame("asked whether there is credit", ack_fields(3, 120), poll=True),
    described("given up without a reason", reset(0), kind="reset", reason=0),
    described("too many broken frames", reset(1), kind="reset", reason=1),
    described("a time-out", reset(2), kind="reset", reason=2),
    described("no room", reset(3), kind="reset", reason=3),
]
UNKNOWN_REASON = reset(200).hex()

REFUSED = [
    ("empty", b"", "length"),
    ("496 bytes", data(0, b"\x00" * 493), "length"),
    ("no number", b"\x00", "malformed"),
    ("half a number", b"\x00\x00", "malformed"),
    ("data without data", data(0, b""), "malformed"),
    ("data without data, with an acknowledgement", data(0, b"", acknowledgement(0)), "malformed"),
    ("a bitmap without its acknowledgement", b"\x01" + bytes(2) + b"\x01x", "malformed"),
    ("an acknowledgement cut short", data(0, b"", acknowledgement(0))[:-1], "malformed"),
    ("only an acknowledgement, without one", b"\x80", "malformed"),
    ("an acknowledgement with data", only_ack(acknowledgement(0)) + b"x", "malformed"),
    ("a credit of 121", only_ack(acknowledgement(0, 121)), "malformed"),
    ("a bitmap that ends in a zero byte", b"\xa2" + acknowledgement(0, 120, [1]) + b"\x00", "malformed"),
    ("a bitmap of nothing", b"\xa1" + acknowledgement(0) + b"\x00", "malformed"),
    ("a bitmap cut short", b"\xa2" + acknowledgement(0, 120, [1]), "malformed"),
    ("a number outside every window", b"\xaf" + acknowledgement(0) + bytes(14) + b"\x80", "malformed"),
    ("a reset without a reason", b"\xc0", "malformed"),
    ("a reset with more", b"\xc0\x00\x00", "malformed"),
    ("a reset with other bits", b"\xe0\x00", "malformed"),
    ("a number that was not allowed yet", data(120, b"x"), "window"),
    ("a number before the first", data(65535, b"x"), "window"),
    ("thanks for what was not sent", only_ack(acknowledgement(1)), "unsent"),
    ("thanks for what was not sent, in the bitmap", only_ack(acknowledgement(0, 120, [1])), "unsent"),
]


def received(arrivals):
    """What a receiver that reads nothing says after these frames of one byte each."""
    come = set(arrivals)
    first_missing = next(n for n in range(WINDOW + 1) if n not in come)
    early = sorted(n for n in come if n > first_missing)
    return only_ack(acknowledgement(first_missing, WINDOW - first_missing, early)).hex()


ARRIVALS = [[0], [0, 1, 2, 3], [1], [3, 1, 2], [0, 0, 2, 4, 2, 6], [9, 17], [119], [0, 2, 119], [5, 4, 3, 2, 1, 0]]

# One stream with frames of 20 bytes: at these milliseconds something is written or comes in, then exactly
# these frames go out, and these bytes can be read.
TEXT = bytes(range(40))
COURSE = [
    (0, "write", TEXT),
    (0, "out", data(0, TEXT[:17])),
    (0, "out", data(1, TEXT[17:34])),
    (4, "quiet", b""),
    (5, "out", data(2, TEXT[34:])),
    (60, "in", data(0, b"abc", acknowledgement(0, 120, [1, 2]))),
    (60, "read", b"abc"),
    # 9/8 of the round trip of 55 ms and 10 ms after it was sent.
    (71, "quiet", b""),
    (72, "out", data(0, TEXT[:17])),
    (100, "in", data(2, b"ghi")),
    (100, "read", b""),
    (120, "in", data(1, b"def")),
    (120, "read", b"defghi"),
    (130, "in", only_ack(acknowledgement(3))),
    # The gap's 40 ms, and what has come by then.
    (139, "quiet", b""),
    (140, "out", only_ack(acknowledgement(3))),
    (200, "in", data(3, b"j", poll=True)),
    (200, "read", b"j"),
    (200, "out", only_ack(acknowledgement(4))),
    (300, "in", data(3, b"j")),
    (339, "quiet", b""),
    (340, "out", only_ack(acknowledgement(4))),
    (400, "close", b""),
    (400, "out", data(3, b"", poll=True, last=True)),
    (460, "in", only_ack(acknowledgement(4))),
    (500, "in", data(4, b"end", poll=True, last=True)),
    (500, "read", b"end"),
    (500, "out", only_ack(acknowledgement(5))),
    (600, "in", data(4, b"end", poll=True, last=True)),
    (600, "out", only_ack(acknowledgement(5))),
    (3499, "quiet", b""),
    (3500, "finished", b""),
]


def main():
    out = {
        "about": "docs/protocol.md section 12; made by tests/vectors/radio_stream.py",
        "frames": FRAMES,
        "unknown_reason": UNKNOWN_REASON,
        "refused": [{"name": name, "hex": frame.hex(), "counter": counter} for name, frame, counter in REFUSED],
        "arrivals": [{"numbers": numbers, "ack": received(numbers)} for numbers in ARRIVALS],
        "course": [{"at_ms": at, "what": what, "hex": raw.hex()} for at, what, raw in COURSE],
    }
    path = pathlib.Path(__file__).with_name("radio_stream.json")
    path.write_text(json.dumps(out, indent=1) + "\n")


main()
