"""The byte stream of section 12 on a running link: awaitable reads and writes over a radio's frames."""
import asyncio

from stream import Broken, Stream


class Pipe:
    """`send_frame` is a coroutine function: it takes one frame of at most `max_frame` bytes to the other side."""

    def __init__(self, send_frame, max_frame):
        self.send_frame = send_frame
        self.clock = asyncio.get_running_loop().time
        self.stream = Stream(max_frame, self.clock())
        self.came = bytearray()
        self.wake, self.change = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self.run())

    async def run(self):
        try:
            while not self.stream.dead:
                for frame in self.stream.poll(self.clock()):
                    await self.send_frame(frame)
                self.changed()
                deadline = self.stream.deadline()
                wait = None if deadline is None else max(0.0, deadline - self.clock())
                try:
                    await asyncio.wait_for(self.wake.wait(), wait)
                except asyncio.TimeoutError:
                    pass
                self.wake.clear()
        finally:
            self.lost("the pipe has stopped")

    def lost(self, why):
        self.stream.dead = self.stream.dead or why
        self.wake.set()
        self.changed()

    def changed(self):
        self.change.set()
        self.change = asyncio.Event()

    def handle(self, frame):
        self.stream.handle(frame, self.clock())
        self.came += self.stream.read()
        self.wake.set()

    async def read(self, size):
        """Exactly so many bytes. Raises Broken, with the reason, when they will not come."""
        while len(self.came) < size:
            if self.stream.dead or self.stream.ended:
                raise Broken(self.stream.dead or "the other side has ended the stream")
            await self.change.wait()
        data = bytes(self.came[:size])
        del self.came[:size]
        return data

    async def write(self, data):
        while data:
            while not self.stream.has_room() and not self.stream.dead:
                await self.change.wait()
            if self.stream.dead:
                raise Broken(self.stream.dead)
            self.stream.write(data[:1024], self.clock())
            data = data[1024:]
            self.wake.set()

    async def close(self):
        """Ends this side's stream and waits until the other side has all of it."""
        self.stream.close()
        self.wake.set()
        while not self.stream.dead and not (self.stream.closed and not self.stream.sent):
            await self.change.wait()
        self.task.cancel()
