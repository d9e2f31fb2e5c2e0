"""Protobuf 3, as far as proto/ needs it: written in ascending order of fields, zero values left out."""
import struct


class Malformed(ValueError):
    pass


def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out) + bytes([n])


def number(field, n):
    return varint(field << 3) + varint(n) if n else b""


def octets(field, data):
    return message(field, data) if data else b""


def message(field, data):
    """A length-delimited field that is there even when it is empty."""
    return varint(field << 3 | 2) + varint(len(data)) + data


def fixed32(field, n):
    return varint(field << 3 | 5) + struct.pack("<I", n) if n else b""


def read_varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Malformed("varint")
        byte, at = data[at], at + 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    """{field: [value, ...]} of a message: numbers, or bytes; fixed-width values as numbers."""
    out, at = {}, 0
    while at < len(data):
        key, at = read_varint(data, at)
        kind, size = key & 7, None
        if kind == 0:
            value, at = read_varint(data, at)
        elif kind == 2:
            size, at = read_varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise Malformed("wire type")
        if size is not None:
            if at + size > len(data):
                raise Malformed("length")
            value, at = data[at : at + size], at + size
            if kind != 2:
                value = int.from_bytes(value, "little")
        out.setdefault(key >> 3, []).append(value)
    return out


def last(message_fields, field, default):
    """The value of a field that is not repeated: the last one counts."""
    value = message_fields.get(field, [default])[-1]
    if type(value) is not type(default):
        raise Malformed("field type")
    return value
