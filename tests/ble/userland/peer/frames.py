"""Frames of link/1: section 7.1 and proto/sovereign/v1/link.proto."""
import protobuf
from protobuf import last, message, number, octets

HELLO, SUMMARY, SYMBOLS, MORE, WANT, GONE, PART, HAVE, DONE, CREDIT, MEMBERSHIP, DELIVERED, CLOSE, EXTENSION = range(1, 15)
MOST = 1024
SHUTDOWN = 1
ADVERTISED_ID = 1


def wire(kind, body):
    frame = message(kind, body)
    return len(frame).to_bytes(2, "big") + frame


def hello(nonce, capabilities, credit, discovery_id):
    extension = number(1, ADVERTISED_ID) + octets(3, discovery_id)
    body = number(1, 1) + number(2, 1) + octets(3, nonce) + number(4, capabilities) + number(5, credit)
    return wire(HELLO, body + message(6, extension))


def summary(count, fingerprint, ids):
    return wire(SUMMARY, number(1, count) + octets(2, fingerprint) + octets(3, b"".join(ids)))


def short_ids(kind, ids):
    return wire(kind, octets(1, b"".join(ids)))


def parts(held):
    """A bundle as (stream, data bytes, frame): the first one with its numbers."""
    stream = 0 if len(held.data) <= 1024 else 1
    for at in range(0, len(held.data), 1000):
        data = held.data[at : at + 1000]
        first = number(2, len(held.data)) + number(3, held.age_s) + number(4, held.lifetime_s) if at == 0 else b""
        yield stream, len(data), wire(PART, number(1, stream) + first + octets(5, data))


async def read(secure):
    """(kind, its fields, its bytes); kind None when it is none that this version knows."""
    size = int.from_bytes(await secure.read(2), "big")
    if not 1 <= size <= MOST:
        raise ConnectionError("length of a frame")
    raw = await secure.read(size)
    body = protobuf.fields(raw)
    kind = next((kind for kind in body if HELLO <= kind <= EXTENSION), None)
    return kind, None if kind is None else protobuf.fields(last(body, kind, b"")), raw


def split_ids(data):
    if len(data) % 8 or not 8 <= len(data) <= 120 * 8:
        raise protobuf.Malformed("ids")
    return [data[at : at + 8] for at in range(0, len(data), 8)]
