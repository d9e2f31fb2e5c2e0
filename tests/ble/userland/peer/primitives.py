"""Sections 1 to 3 of docs/protocol.md: hashes, keys and signatures."""
import hashlib
import hmac

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def H(data):
    return hashlib.sha256(data).digest()


def domain(name):
    return b"sovereign/v1/" + name.encode()


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def kdf(ikm, salt, info, length):
    return HKDF(hashes.SHA256(), length, salt, domain(info)).derive(ikm)


class SigningKey:
    """An Ed25519 key from its seed."""

    def __init__(self, seed):
        self.key = Ed25519PrivateKey.from_private_bytes(seed)
        raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        self.public = self.key.public_key().public_bytes(*raw)

    def sign(self, name, message):
        return self.key.sign(domain(name) + b"\0" + message)


def verified(public, signature, message):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def as_uuid8(number):
    """The version and variant bits of RFC 9562, version 8, put into 16 bytes."""
    number = bytearray(number)
    number[6] = number[6] & 0x0F | 0x80
    number[8] = number[8] & 0x3F | 0x80
    return bytes(number)


def peer_id(transport_id):
    """The text of a transport id: base58btc of the identity multihash of libp2p's protobuf key."""
    data = bytes.fromhex("002408011220") + transport_id
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text
