"""Sections 7 and 8 of docs/protocol.md, as far as a small peer needs them: its set is always a plain list."""
import asyncio
import os
import random
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3] / "vectors"))

import bundle
import frames
from bundle import Refused
from protobuf import Malformed, fields, last
from primitives import H, domain
from reconcile import Session  # section 8.1, also written from the text

WINDOW = 4096
PLAIN_LIST = 64
CARRIES = 1
DIALER, LISTENER = 0, 1
TEXT_STREAM_SIZES = bundle.SIZES[:3], bundle.SIZES[3:]


class Closed(ConnectionError):
    """The other side has closed the link, with this reason."""


class Link:
    """One link of `member`. `say(word, **what)` tells what happens; `observe(what, bytes)` what was heard."""

    compared = False
    their_membership = False

    def __init__(self, secure, is_dialer, member, discovery_id, say, observe):
        self.secure, self.is_dialer, self.member = secure, is_dialer, member
        self.discovery_id, self.say, self.observe = discovery_id, say, observe
        self.nonce = os.urandom(16)
        self.credit, self.room = 0, asyncio.Event()
        self.owed = 0
        self.under_way = {}
        self.wanted, self.offered = set(), set()
        self.done, self.their_done = False, False
        self.proved = False
        self.tasks = asyncio.Queue()

    async def open(self):
        """Both Hello; then what is the dialer's or the listener's first word."""
        mine = frames.hello(self.nonce, CARRIES, WINDOW, self.discovery_id)
        if self.is_dialer:
            await self.secure.write(mine)
        kind, hello, raw = await frames.read(self.secure)
        self.observe("frame", raw)
        if kind != frames.HELLO:
            raise Closed(f"frame {kind} instead of Hello")
        nonce = last(hello, 3, b"")
        versions = last(hello, 1, 0), last(hello, 2, 0)
        if len(nonce) != 16 or not versions[0] <= 1 <= versions[1]:
            raise ConnectionError("Hello")
        self.their_id = None
        for extension in map(fields, hello.get(6, [])):
            if last(extension, 1, 0) == frames.ADVERTISED_ID and len(last(extension, 3, b"")) == 8:
                self.their_id = extension[3][-1]
            elif last(extension, 2, 0):
                raise ConnectionError("critical extension")
        self.credit = last(hello, 5, 0)
        ends = (self.secure.transport.public, self.secure.node), (self.nonce, nonce)
        dialer_first = [pair if self.is_dialer else pair[::-1] for pair in ends]
        self.session_id = H(domain("session") + b"\0" + b"".join(dialer_first[0] + dialer_first[1]))
        self.session = Session(self.session_id)
        if not self.is_dialer:
            await self.secure.write(mine + self.own_list())

    def own_list(self):
        assert len(self.member.held) <= PLAIN_LIST, "more than a plain list"
        contents = list(self.member.held)
        ids = sorted(self.known(), key=lambda short: int.from_bytes(short, "little"))
        return frames.summary(len(contents), self.session.fingerprint(contents), ids)

    def known(self):
        return {self.session.short(content): held for content, held in self.member.held.items()}

    async def run(self):
        """Until the link ends: raises Closed or Broken."""
        writer = asyncio.create_task(self.write())
        try:
            while True:
                kind, body, raw = await frames.read(self.secure)
                self.observe("frame", raw)
                await self.on_frame(kind, body)
                await self.finish_comparison()
        finally:
            writer.cancel()

    async def on_frame(self, kind, body):
        match kind:
            case frames.SUMMARY:
                await self.compare(body)
            case frames.MORE if last(body, 1, 0) == 0:
                await self.secure.write(self.own_list())
            case frames.WANT:
                self.answer(frames.split_ids(last(body, 1, b"")))
            case frames.GONE:
                self.wanted -= set(frames.split_ids(last(body, 1, b"")))
            case frames.PART:
                await self.on_part(body)
            case frames.HAVE:
                await self.want(frames.split_ids(last(body, 1, b"")))
            case frames.DONE:
                self.their_done = True
            case frames.CREDIT:
                self.credit += last(body, 1, 0)
                self.room.set()
            case frames.MEMBERSHIP:
                await self.on_membership(last(body, 1, b""))
            case frames.DELIVERED:
                self.on_delivered(frames.split_ids(last(body, 1, b"")))
            case frames.CLOSE:
                raise Closed(f"reason {last(body, 1, 0)}")
            case frames.EXTENSION if last(body, 2, 0):
                raise ConnectionError("critical extension")
            case frames.HELLO | frames.SYMBOLS | frames.MORE:
                raise ConnectionError(f"frame {kind} out of place")
            case _:
                pass  # of a later version

    # Reconciliation

    async def compare(self, body):
        """Their Summary: who has the difference after it is what the roles and the counts say (section 8.2)."""
        count, data = last(body, 1, 0), last(body, 3, b"")
        self.say("summary", count=count)
        mine = self.known()
        same = self.session.fingerprint(list(self.member.held)) == last(body, 2, b"")
        if self.is_dialer and same and count == len(mine):
            self.compared = True
            return
        if self.is_dialer and not data and count:
            # Neither side's set is the same and theirs is large: ours is small, so it is listed.
            await self.secure.write(self.own_list())
            return
        theirs = set(frames.split_ids(data)) if data else set()
        for short in mine.keys() - theirs:
            self.offer(mine[short])
        await self.want(theirs - mine.keys())
        self.compared = True

    async def want(self, ids):
        ids = [short for short in ids if short not in self.known() and short not in self.wanted]
        for at in range(0, len(ids), 120):
            await self.secure.write(frames.short_ids(frames.WANT, ids[at : at + 120]))
        self.wanted |= set(ids)

    async def finish_comparison(self):
        mine_are_met = not self.wanted and (self.compared or self.their_done)
        if mine_are_met and not self.done:
            self.done = True
            await self.secure.write(frames.wire(frames.DONE, b""))
        if self.done and self.their_done and not self.proved:
            self.proved = True
            role = DIALER if self.is_dialer else LISTENER
            tags = [self.member.channel.member_tag(role, self.session_id)] + [os.urandom(8) for _ in range(3)]
            random.SystemRandom().shuffle(tags)
            await self.secure.write(frames.short_ids(frames.MEMBERSHIP, tags))
            self.say("in step", count=len(self.member.held))

    # Bundles out

    def offer(self, held):
        short = self.session.short(held.content)
        if short not in self.offered:
            self.offered.add(short)
            self.tasks.put_nowait(held)

    async def tell(self, held):
        """Section 8.4, of a new one: over a slow link what is larger than 1,024 bytes is only announced."""
        if len(held.data) <= 1024:
            self.offer(held)
        else:
            await self.secure.write(frames.short_ids(frames.HAVE, [self.session.short(held.content)]))

    def answer(self, ids):
        mine = self.known()
        for short in ids:
            self.offered.discard(short)
            if short in mine:
                self.offer(mine[short])
            else:
                self.tasks.put_nowait(short)

    async def write(self):
        while True:
            task = await self.tasks.get()
            if isinstance(task, bytes):
                await self.secure.write(frames.short_ids(frames.GONE, [task]))
                continue
            for _, size, frame in frames.parts(task):
                while self.credit < size:
                    self.room.clear()
                    await self.room.wait()
                self.credit -= size
                await self.secure.write(frame)

    # Bundles in

    async def on_part(self, body):
        stream, data = last(body, 1, 0), last(body, 5, b"")
        if stream not in (0, 1) or not 1 <= len(data) <= 1000:
            raise ConnectionError("Part")
        if stream not in self.under_way:
            total = last(body, 2, 0)
            if total not in TEXT_STREAM_SIZES[stream]:
                raise ConnectionError("Part out of step")
            self.under_way[stream] = total, last(body, 3, 0), last(body, 4, 0), bytearray()
        total, age_s, lifetime_s, whole = self.under_way[stream]
        whole += data
        if len(whole) > total:
            raise ConnectionError("Part out of step")
        self.owed += len(data)
        if len(whole) == total:
            del self.under_way[stream]
            if age_s <= lifetime_s <= bundle.LIFETIME_S:
                await self.on_bundle(bytes(whole), age_s, lifetime_s)
        if self.owed >= WINDOW // 2:
            credit, self.owed = self.owed, 0
            await self.secure.write(frames.wire(frames.CREDIT, frames.number(1, credit)))

    async def on_bundle(self, data, age_s, lifetime_s):
        if not bundle.is_bundle(data):
            raise ConnectionError("no bundle")
        short = self.session.short(H(data))
        self.offered.add(short)
        self.wanted.discard(short)
        try:
            held = self.member.keep(data, age_s, lifetime_s)
        except (Refused, Malformed) as error:
            self.say("refused", why=str(error))
            return
        if held is None or held.envelope is None:
            self.say("carried", size=len(data))
            return
        if held.envelope.text is not None:
            self.say("text", text=held.envelope.text, name=held.envelope.name, lamport=held.envelope.lamport)
            if self.their_membership:
                await self.secure.write(frames.short_ids(frames.DELIVERED, [short]))

    # Membership

    async def on_membership(self, tags):
        if len(tags) // 8 not in (4, 8, 16, 32, 64) or len(tags) % 8:
            raise ConnectionError("tags")
        role = LISTENER if self.is_dialer else DIALER
        tag = self.member.channel.member_tag(role, self.session_id)
        if tag not in frames.split_ids(tags):
            return
        self.their_membership = True
        self.say("member")
        others = [
            self.session.short(content)
            for content, held in self.member.held.items()
            if held.envelope and held.envelope.text is not None and held.envelope.author != self.member.author.public
        ]
        if others:
            await self.secure.write(frames.short_ids(frames.DELIVERED, others[-120:]))

    def on_delivered(self, ids):
        mine = self.known()
        texts = [mine[short].envelope.text for short in ids if short in mine and mine[short].envelope]
        self.say("delivered", texts=texts)

    async def close(self):
        await self.secure.write(frames.wire(frames.CLOSE, frames.number(1, frames.SHUTDOWN)))
