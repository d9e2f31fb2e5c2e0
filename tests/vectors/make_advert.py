#!/usr/bin/env python3
"""Writes advert.json: docs/protocol.md section 11 (what Bluetooth LE carries before there is a link), from the text, not from the Rust code."""

import base64
import hashlib
import hmac
import json
import pathlib


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def kdf(ikm, info, length):
    prk = mac(bytes(32), ikm)
    out, block, n = b"", b"", 1
    while len(out) < length:
        block = mac(prk, block + info.encode() + bytes([n]))
        out, n = out + block, n + 1
    return out[:length]


def uuid(name):
    number = bytearray(hashlib.sha256(b"sovereign/v1/" + name.encode()).digest()[:16])
    number[6] = number[6] & 0x0F | 0x80
    number[8] = number[8] & 0x3F | 0x80
    return bytes(number)


def dashed(number):
    h = number.hex()
    return "-".join((h[:8], h[8:12], h[12:16], h[16:20], h[20:]))


SERVICE = uuid("ble-service")[::-1]
OTHER = bytes(range(16))


def structure(kind, data):
    return bytes([len(data) + 1, kind]) + data


def discovery_id(key, nonce):
    return nonce + mac(key, b"sovereign/v1/resolve\x00" + nonce)[:5]


def name_of(identity):
    return base64.urlsafe_b64encode(identity[:6]).decode()


def service_data(identity, capabilities):
    return identity + capabilities.to_bytes(2, "big")


ADVERTISEMENT = structure(0x01, b"\x06") + structure(0x07, SERVICE)


def scan_response(identity, capabilities):
    return structure(0x21, SERVICE + service_data(identity, capabilities))


def ios(identity):
    return ADVERTISEMENT + structure(0x09, name_of(identity).encode())


def hello(identity, capabilities, psm):
    return b"\x01" + service_data(identity, capabilities) + psm.to_bytes(2, "big")


def address(secret):
    out = bytearray(kdf(secret, "sovereign/v1/ble-address", 6))
    out[0] = out[0] & 0x3F | 0x40
    if out[:3] in (b"\x40\x00\x00", b"\x7f\xff\xff"):
        out[2] ^= 1
    return bytes(out)


KEYS = [bytes([7] * 32), bytes(range(32)), hashlib.sha256(b"a resolving key").digest()]
NONCES = [bytes(3), b"\x01\x02\x03", b"\xff\xff\xff", b"\xfb\xef\xbe"]
SECRETS = [bytes(32), bytes([0xD5] * 32), hashlib.sha256(b"an epoch").digest()]

A = discovery_id(KEYS[0], b"\x01\x02\x03")
B = discovery_id(KEYS[1], b"\xfb\xef\xbe")


def changed(data, at, flip):
    return data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]


def resolving():
    for title, key, seen, fits in [
        ("an id of this key", KEYS[0], A, True),
        ("48 bits of it", KEYS[0], A[:6], True),
        ("another key", KEYS[1], A, False),
        ("another key, 48 bits", KEYS[1], A[:6], False),
        ("another nonce", KEYS[0], changed(A, 0, 0x80), False),
        ("the last bit changed", KEYS[0], changed(A, 7, 0x01), False),
        ("the last of 48 bits changed", KEYS[0], changed(A, 5, 0x01)[:6], False),
    ]:
        yield {"name": title, "key": key.hex(), "seen": seen.hex(), "fits": fits}


def full(identity, capabilities):
    return {"id": identity.hex(), "capabilities": capabilities}


UNNAMED = {}
MASK = bytes.fromhex("00000001000000000000000000000080")


def apple(data):
    return structure(0xFF, b"\x4c\x00" + data)


def heard():
    both = OTHER + SERVICE
    flags = structure(0x01, b"\x1a")
    grown = structure(0x21, SERVICE + service_data(A, 1) + b"\xaa\xbb\xcc")
    for title, pdu, adv, response, sighting in [
        ("a node", "legacy", ADVERTISEMENT, scan_response(A, 9), full(A, 9)),
        ("no scan response heard", "legacy", ADVERTISEMENT, b"", UNNAMED),
        ("a scan response alone", "legacy", b"", scan_response(B, 2), full(B, 2)),
        ("bits of a later version are dropped", "legacy", ADVERTISEMENT, scan_response(A, 0xFFF4), full(A, 4)),
        ("service data of a later version", "legacy", ADVERTISEMENT, grown, full(A, 1)),
        ("an iPhone in the foreground", "legacy", ios(B), b"", {"prefix": B[:6].hex()}),
        ("its name in the scan response", "legacy", ADVERTISEMENT, ios(B)[21:], {"prefix": B[:6].hex()}),
        ("service data goes before a name", "legacy", ios(B), scan_response(A, 0), full(A, 0)),
        ("a name of nine characters", "legacy", ADVERTISEMENT, structure(0x09, b"Sovereign"), UNNAMED),
        ("a shortened name", "legacy", ADVERTISEMENT, structure(0x08, b"AAAAAAAA"), UNNAMED),
        ("a name outside the alphabet", "legacy", ADVERTISEMENT, structure(0x09, b"AAAA+/AA"), UNNAMED),
        ("an id's name without the service", "legacy", structure(0x09, name_of(A).encode()), b"", None),
        ("second in an incomplete list", "extended", structure(0x06, both), b"", UNNAMED),
        ("the UUID the wrong way round", "legacy", structure(0x07, SERVICE[::-1]), b"", None),
        ("another service's data", "legacy", structure(0x21, OTHER + service_data(A, 1)), b"", None),
        ("a scan response that repeats the advertisement", "extended", ADVERTISEMENT, ADVERTISEMENT + scan_response(A, 1), full(A, 1)),
        ("an early end", "legacy", scan_response(A, 1) + b"\x00\x09\x09", b"", full(A, 1)),
        ("an early end in front", "legacy", b"\x00" + scan_response(A, 1), b"", None),
        ("perhaps an iPhone in the background", "legacy", flags + apple(b"\x01" + MASK), b"", {"overflow": MASK.hex()}),
        ("an empty overflow area", "legacy", flags + apple(b"\x01" + bytes(16)), b"", None),
        ("another of Apple's formats", "legacy", flags + apple(b"\x10" + MASK), b"", None),
        ("a shorter area", "legacy", flags + apple(b"\x01" + MASK[1:]), b"", None),
        ("another company", "legacy", structure(0xFF, b"\x4d\x00\x01" + MASK), b"", None),
        ("what is certain goes first", "extended", ADVERTISEMENT, apple(b"\x01" + MASK), UNNAMED),
        ("nothing", "legacy", b"", b"", None),
    ]:
        yield {
            "name": title,
            "pdu": pdu,
            "advertisement": adv.hex(),
            "scan_response": response.hex(),
            "sighting": sighting,
        }


def refused():
    two_names = structure(0x09, b"AAAAAAAA") + structure(0x09, b"BBBBBBBB")
    for title, pdu, adv, response, word in [
        ("32 bytes", "legacy", bytes(32), b"", "too-long"),
        ("32 bytes of scan response", "legacy", ADVERTISEMENT, bytes(32), "too-long"),
        ("256 bytes", "extended", bytes(256), b"", "too-long"),
        ("cut in the list", "legacy", ADVERTISEMENT[:20], b"", "overrun"),
        ("a length alone", "legacy", ADVERTISEMENT + b"\x01", b"", "overrun"),
        ("part of a UUID", "legacy", structure(0x07, SERVICE + b"\x00"), b"", "size"),
        ("service data without its UUID", "legacy", structure(0x21, SERVICE[:15]), b"", "size"),
        ("half a company", "legacy", structure(0xFF, b"\x4c"), b"", "size"),
        ("service data of nine bytes", "legacy", ADVERTISEMENT, structure(0x21, SERVICE + bytes(9)), "service-data"),
        ("service data of no byte", "legacy", ADVERTISEMENT, structure(0x21, SERVICE), "service-data"),
        ("two ids", "legacy", scan_response(A, 1), scan_response(B, 1), "conflict"),
        ("two capabilities", "legacy", scan_response(A, 1), scan_response(A, 2), "conflict"),
        ("two names", "extended", ADVERTISEMENT + two_names, b"", "conflict"),
        ("two overflow areas", "extended", apple(b"\x01" + MASK), apple(b"\x01" + MASK[::-1]), "conflict"),
    ]:
        yield {
            "name": title,
            "pdu": pdu,
            "advertisement": adv.hex(),
            "scan_response": response.hex(),
            "refused": word,
        }


def hellos():
    for identity, capabilities, psm in [(A, 0, 0), (A, 9, 0x80), (B, 15, 0xFF), (B, 4, 0xC0)]:
        value = hello(identity, capabilities, psm)
        yield {"id": identity.hex(), "capabilities": capabilities, "psm": psm, "value": value.hex()}


def read_hellos():
    """Values that a node reads but does not write, and values that it refuses."""
    good = hello(A, 9, 0x80)
    for title, value, result in [
        ("appended to by a later version", good + b"\xee" * 51, "read"),
        ("65 bytes", good + b"\xee" * 52, "length"),
        ("unknown capabilities", hello(A, 0xFFF9, 0x80), "read"),
        ("12 bytes", good[:12], "length"),
        ("empty", b"", "length"),
        ("version 0", b"\x00" + good[1:], "version"),
        ("version 2", b"\x02" + good[1:], "version"),
        ("a fixed PSM", hello(A, 9, 0x7F), "psm"),
        ("a PSM beyond", hello(A, 9, 0x100), "psm"),
    ]:
        yield {"name": title, "value": value.hex(), "result": result}


def main():
    vectors = {
        "about": "docs/protocol.md, section 11; bytes in hex, UUIDs on the air least significant byte first.",
        "uuids": [
            {"name": name, "uuid": dashed(uuid(name)), "on_air": uuid(name)[::-1].hex()}
            for name in ("ble-service", "ble-to-node", "ble-from-node", "ble-hello")
        ],
        "ids": [
            {
                "key": key.hex(),
                "nonce": nonce.hex(),
                "id": discovery_id(key, nonce).hex(),
                "local_name": name_of(discovery_id(key, nonce)),
            }
            for key in KEYS
            for nonce in NONCES
        ],
        "resolving": list(resolving()),
        "epochs": [
            {
                "key": KEYS[0].hex(),
                "secret": secret.hex(),
                "id": discovery_id(KEYS[0], kdf(secret, "sovereign/v1/ble-nonce", 3)).hex(),
                "address": address(secret).hex(),
                "transport_seed": kdf(secret, "sovereign/v1/ble-transport", 32).hex(),
            }
            for secret in SECRETS
        ],
        "adverts": [
            {
                "id": identity.hex(),
                "capabilities": capabilities,
                "advertisement": ADVERTISEMENT.hex(),
                "scan_response": scan_response(identity, capabilities).hex(),
                "ios_advertisement": ios(identity).hex(),
            }
            for identity, capabilities in ((A, 0), (A, 1), (B, 15))
        ],
        "heard": list(heard()),
        "refused": list(refused()),
        "hello": list(hellos()),
        "hello_read": list(read_hellos()),
    }
    path = pathlib.Path(__file__).with_name("advert.json")
    path.write_text(json.dumps(vectors, indent=1, ensure_ascii=False) + "\n")


main()
