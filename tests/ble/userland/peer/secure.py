"""Section 7.0 of docs/protocol.md over a slow connection: Noise XX with libp2p's identity payload.

https://github.com/libp2p/specs/blob/master/noise/README.md: every handshake and transport message follows its
length as u16be; the second and third handshake messages carry NoiseHandshakePayload {identity_key 1, identity_sig
2}, the key as libp2p's PublicKey {Type 1 = Ed25519 (1), Data 2}, the signature over a prefix and the static key.
"""
import asyncio
import os

from noise.connection import Keypair, NoiseConnection

import protobuf
from primitives import verified

SUITE = b"Noise_XX_25519_ChaChaPoly_SHA256"
PROLOGUE = b"sovereign/slow/1/noise/link/1"
SIGNED = b"noise-libp2p-static-key:"
MOST_PLAIN = 65_535 - 16


class Secure:
    """After `start`: `node` is the transport id of the other side, as it has proved it."""

    def __init__(self, pipe, transport, is_dialer, observe):
        self.pipe, self.transport, self.is_dialer, self.observe = pipe, transport, is_dialer, observe
        self.plain = bytearray()
        self.lock = asyncio.Lock()

    async def start(self):
        noise = NoiseConnection.from_name(SUITE)
        noise.set_as_initiator() if self.is_dialer else noise.set_as_responder()
        noise.set_prologue(PROLOGUE)
        noise.set_keypair_from_private_bytes(Keypair.STATIC, os.urandom(32))
        noise.start_handshake()
        self.noise, state = noise, noise.noise_protocol.handshake_state
        payload = self.payload(state.s.public_bytes)
        if self.is_dialer:
            await self.put(noise.write_message())
            theirs = noise.read_message(await self.get())
            self.check(theirs, state.rs.public_bytes)
            await self.put(noise.write_message(payload))
        else:
            noise.read_message(await self.get())
            await self.put(noise.write_message(payload))
            theirs = noise.read_message(await self.get())
            self.check(theirs, state.rs.public_bytes)

    def payload(self, static):
        key = protobuf.number(1, 1) + protobuf.octets(2, self.transport.public)
        signature = self.transport.key.sign(SIGNED + static)
        return protobuf.octets(1, key) + protobuf.octets(2, signature)

    def check(self, payload, static):
        payload = bytes(payload)
        self.observe("noise static key", static)
        self.observe("noise payload", payload)
        fields = protobuf.fields(payload)
        key = protobuf.fields(protobuf.last(fields, 1, b""))
        self.node = protobuf.last(key, 2, b"")
        if protobuf.last(key, 1, 0) != 1 or len(self.node) != 32:
            raise ConnectionError("not an Ed25519 key")
        if not verified(self.node, protobuf.last(fields, 2, b""), SIGNED + static):
            raise ConnectionError("the transport key is not proved")

    async def put(self, message):
        await self.pipe.write(len(message).to_bytes(2, "big") + bytes(message))

    async def get(self):
        message = await self.pipe.read(int.from_bytes(await self.pipe.read(2), "big"))
        self.observe("noise message", message)
        return message

    async def write(self, data):
        # Messages leave in the order of their nonces.
        async with self.lock:
            for at in range(0, len(data), MOST_PLAIN):
                await self.put(self.noise.encrypt(data[at : at + MOST_PLAIN]))

    async def read(self, size):
        while len(self.plain) < size:
            self.plain += self.noise.decrypt(await self.get())
        data = bytes(self.plain[:size])
        del self.plain[:size]
        return data
