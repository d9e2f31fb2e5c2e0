"""Section 11 of docs/protocol.md: what the air carries, and the secrets of an epoch."""
import os

from primitives import H, SigningKey, as_uuid8, domain, kdf, mac

L2CAP, DIAL_ME = 1 << 0, 1 << 3


def uuid(name):
    return as_uuid8(H(domain(name))[:16])


SERVICE, TO_NODE, FROM_NODE, HELLO = map(uuid, ("ble-service", "ble-to-node", "ble-from-node", "ble-hello"))
ON_AIR = SERVICE[::-1]


def resolves(key, seen):
    return mac(key, domain("resolve") + b"\0" + seen[:3])[: len(seen) - 3] == seen[3:]


class Epoch:
    """Id, address and transport key that are used together, and never again."""

    def __init__(self, resolving_key):
        self.resolving_key, secret = resolving_key, os.urandom(32)
        r = kdf(secret, b"", "ble-nonce", 3)
        self.id = r + mac(resolving_key, domain("resolve") + b"\0" + r)[:5]
        self.transport = SigningKey(kdf(secret, b"", "ble-transport", 32))
        address = bytearray(kdf(secret, b"", "ble-address", 6))
        address[0] = address[0] & 0x3F | 0x40
        if address[:3] in (b"\x40\x00\x00", b"\x7f\xff\xff"):
            address[2] ^= 1
        self.address = bytes(address)


def structure(kind, data):
    return bytes([len(data) + 1, kind]) + data


def advertisement():
    return structure(0x01, b"\x06") + structure(0x07, ON_AIR)


def scan_response(discovery_id, capabilities):
    return structure(0x21, ON_AIR + discovery_id + capabilities.to_bytes(2, "big"))


def sighting(packet):
    """(id, capabilities) in the service data of one of our nodes; those that tell less are not dialled here."""
    while packet and packet[0]:
        size = packet[0]
        if size + 1 > len(packet):
            return None
        kind, data, packet = packet[1], packet[2 : size + 1], packet[size + 1 :]
        if kind == 0x21 and data[:16] == ON_AIR and len(data) >= 26:
            return data[16:24], int.from_bytes(data[24:26], "big")
    return None


def hello(discovery_id, capabilities, psm):
    return b"\x01" + discovery_id + capabilities.to_bytes(2, "big") + psm.to_bytes(2, "big")


def read_hello(value):
    psm = int.from_bytes(value[11:13], "big")
    if not 13 <= len(value) <= 64 or value[0] != 1 or not (psm == 0 or 0x80 <= psm <= 0xFF):
        raise ValueError("refused hello")
    return value[1:9], int.from_bytes(value[9:11], "big"), psm
