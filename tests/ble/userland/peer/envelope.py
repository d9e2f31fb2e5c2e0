"""Section 5 of docs/protocol.md: what an author signs, and the order of what was said."""
import struct
import time

import protobuf
from bundle import Refused
from primitives import H, domain, verified

TEXT, RECEIPT = 1, 2


class Envelope:
    """One that has been verified."""

    def __init__(self, raw, channel):
        if not 97 <= len(raw) <= 16_309:
            raise Refused("length")
        self.author, signature, self.body = raw[:32], raw[32:96], raw[96:]
        if not verified(self.author, signature, domain("envelope") + b"\0" + self.author + self.body):
            raise Refused("signature")
        self.id = H(domain("message-id") + b"\0" + self.author + self.body)
        body = protobuf.fields(self.body)
        self.type = protobuf.last(body, 4, 0)
        self.parents = body.get(5, [])
        self.lamport = protobuf.last(body, 7, 0)
        payload = protobuf.fields(protobuf.last(body, 8, b""))
        if protobuf.last(body, 1, b"") != channel.id or protobuf.last(body, 2, 0) != channel.EPOCH:
            raise Refused("channel")
        if self.type == 0 or not 1 <= self.lamport <= 1 << 53:
            raise Refused("type or lamport")
        if len(self.parents) > 4 or any(len(p) != 16 for p in self.parents):
            raise Refused("parents")
        if self.parents != sorted(set(self.parents)):
            raise Refused("order of parents")
        if (self.lamport == 1) == bool(self.parents):
            raise Refused("parents and lamport")
        self.text = None
        if self.type == TEXT:
            text, name = protobuf.last(payload, 1, b""), protobuf.last(payload, 2, b"")
            if not 1 <= len(text) <= 12_000:
                raise Refused("text")
            self.text, self.name = text.decode(), name.decode()

    def order(self):
        return self.lamport, self.author, self.id


def write_text(channel, author, device, heads, text, name):
    """A text after these heads (envelopes: the latest four, in order)."""
    payload = protobuf.octets(1, text.encode()) + protobuf.octets(2, name.encode())
    body = protobuf.octets(1, channel.id)
    body += protobuf.number(2, channel.EPOCH)
    body += protobuf.fixed32(3, struct.unpack(">I", device)[0])
    body += protobuf.number(4, TEXT)
    body += b"".join(protobuf.octets(5, parent) for parent in sorted(head.id[:16] for head in heads))
    body += protobuf.number(6, int(time.time()))
    body += protobuf.number(7, 1 + max((head.lamport for head in heads), default=0))
    body += protobuf.octets(8, payload)
    return author.public + author.sign("envelope", author.public + body) + body
