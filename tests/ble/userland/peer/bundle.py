"""Section 6 of docs/protocol.md: an envelope sealed under a channel's message key, and opened again."""
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from primitives import kdf, mac

SIZES = (256, 512, 1024, 4096, 16384)
HEADER = 58
AROUND = HEADER + 16
NONCE = bytes(12)
LIFETIME_S = 604_800


class Refused(ValueError):
    pass


def smallest_class(envelope):
    for number, size in enumerate(SIZES):
        if len(envelope) + 1 <= size - AROUND:
            return number
    raise Refused("too long")


def keys_of(channel, nonce):
    both = kdf(channel.message_key, nonce, "bundle", 64)
    return both[:32], both[32:]


def tag_of(channel, nonce, commitment):
    return mac(channel.tag_key, nonce + commitment)[:8]


def seal(channel, envelope):
    number, nonce = smallest_class(envelope), os.urandom(16)
    key, commitment = keys_of(channel, nonce)
    header = bytes([1, number]) + nonce + tag_of(channel, nonce, commitment) + commitment
    plain = (envelope + b"\x80").ljust(SIZES[number] - AROUND, b"\0")
    return header + ChaCha20Poly1305(key).encrypt(NONCE, plain, header)


def is_bundle(data):
    return len(data) >= SIZES[0] and data[0] == 1 and data[1] < 5 and len(data) == SIZES[data[1]]


def opened(channel, bundle):
    """The envelope, or None when the bundle is another channel's."""
    nonce, tag, commitment = bundle[2:18], bundle[18:26], bundle[26:HEADER]
    if not hmac.compare_digest(tag, tag_of(channel, nonce, commitment)):
        return None
    key, expected = keys_of(channel, nonce)
    if not hmac.compare_digest(commitment, expected):
        return None
    try:
        plain = ChaCha20Poly1305(key).decrypt(NONCE, bundle[HEADER:], bundle[:HEADER])
    except InvalidTag:
        raise Refused("does not decrypt") from None
    envelope = plain.rstrip(b"\0")
    if envelope[-1:] != b"\x80":
        raise Refused("padding")
    envelope = envelope[:-1]
    if smallest_class(envelope) != bundle[1]:
        raise Refused("class")
    return envelope
