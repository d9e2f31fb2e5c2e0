"""Section 12.5 of docs/protocol.md: an L2CAP channel, and the echo test before it is trusted."""
import asyncio
import os

from bumble.l2cap import LeCreditBasedChannelSpec

from stream import MOST

ECHO = 1024
WITHIN = 5
PSM = 0x0091


class Untrusted(ConnectionError):
    pass


def spec(psm):
    return LeCreditBasedChannelSpec(psm=psm, mtu=MOST, mps=MOST)


class Channel:
    """One frame is one SDU, both ways. `on_frame` is who takes what comes."""

    def __init__(self, channel):
        self.channel, self.on_frame = channel, None
        self.queue = asyncio.Queue()
        self.max_frame = min(channel.peer_mtu, MOST)
        channel.sink = self.come

    def come(self, sdu):
        if self.on_frame:
            self.on_frame(bytes(sdu))
        else:
            self.queue.put_nowait(bytes(sdu))

    async def send(self, frame):
        # Bumble puts what waits together into one SDU: nothing may wait.
        self.channel.write(frame)
        await self.channel.drain()

    async def test(self, is_dialer):
        """Who opened the channel sends random bytes, the other returns them."""
        try:
            await asyncio.wait_for(self.ask() if is_dialer else self.answer(), WITHIN)
        except asyncio.TimeoutError:
            raise Untrusted("the echo test took too long") from None

    async def ask(self):
        random, back = os.urandom(ECHO), b""
        for at in range(0, ECHO, self.max_frame):
            await self.send(random[at : at + self.max_frame])
        while len(back) < ECHO:
            back += await self.frame()
            if not random.startswith(back):
                raise Untrusted("another byte came back")

    async def answer(self):
        returned = 0
        while returned < ECHO:
            frame = await self.frame()
            returned += len(frame)
            if returned > ECHO:
                raise Untrusted("one byte too many")
            for at in range(0, len(frame), self.max_frame):
                await self.send(frame[at : at + self.max_frame])

    async def frame(self):
        frame = await self.queue.get()
        if not 1 <= len(frame) <= MOST:
            raise Untrusted("an empty frame, or one too long")
        return frame

    def trust(self, on_frame):
        """From now on the stream's frames."""
        self.on_frame = on_frame
        while not self.queue.empty():
            on_frame(self.queue.get_nowait())
