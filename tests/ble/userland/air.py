#!/usr/bin/env python3
"""A virtual air: Bluetooth LE controllers (Bumble's, from PyPI) that any host reaches over HCI H4.

    air.py SOCKET            listens on SOCKET for control connections, prints "AIR READY", runs until killed

Each control connection is an air of its own: what is put into one is never heard in another, and all of it is
gone when the connection closes. Requests and answers are JSON, one object a line; every request is answered, in
order, with {"ok": true, ...} or {"ok": false, "error": "..."}.

  {"do": "add", "name": "a", "hci": "/path/a.sock"}   a controller; a host connects to the Unix socket. When it
                                                      hangs up, the controller is off, and its links time out.
  {"do": "add", "name": "a", "pty": "/path/a.tty"}    the same behind a pseudo terminal, for serial devices
  {"do": "unplug", "name": "a"}                       hangs up on a controller's host, which may come back
  {"do": "rssi", "from": "a", "to": "b", "dbm": -60}  how strongly "to" hears "from" (at first -50); null: not at
                                                      all, and links between the two end by supervision time-out
  {"do": "cut", "a": "a", "b": "b"}                   ends the links between two, as if the signal had vanished;
                                                      answers {"links": how many}
  {"do": "pair", "a": "a", "b": "b", ...}             how links between two behave from now on, both ways; "*" for
                                                      all. Any of: "latency_ms"; "bytes_per_s" (0: unlimited);
                                                      "reorder" (probability that a notification is overtaken by
                                                      up to three later ones); "lose" (probability that a write
                                                      without response or a notification vanishes); "att_mtu"
                                                      (largest that an MTU exchange agrees on; 517)
  {"do": "advertise", "to": "a", "address": "C0:..", "data": "hex", "scan": "hex", "dbm": -40}
                                                      one made-up advertisement, heard by "to" if it scans
  {"do": "inject", "from": "a", "to": "b", "l2cap": "hex"}  raw L2CAP PDU (with its header) on a link from a to b;
                                                      answers {"links": 0} if there is none
  {"do": "seed", "seed": 7}                           of the dice above (1)
  {"do": "status"}                                    {"controllers": {name: {"address", "scanning",
                                                      "advertising"}}, "links": [[central, peripheral], ...]}

What else is unlike Bumble's own controllers stands in controllers.py.
"""
import asyncio
import collections
import contextlib
import json
import os
import random
import sys
import tty

from bumble import hci
from bumble.transport.common import PacketParser

from controllers import ADV_IND, TIMED_OUT, AirController, Pair


class Air:
    """Controllers that can hear each other."""

    def __init__(self):
        self.controllers = {}
        self.rssi = {}
        self.pairs = collections.defaultdict(Pair)
        self.dice = random.Random(1)
        self.numbers = 0
        self.closers = []

    def pair(self, a, b):
        key = frozenset((a, b))
        return self.pairs[key] if key in self.pairs else self.pairs["*"]

    def heard_from(self, sender, kind, address, data, scan_response):
        loop = asyncio.get_running_loop()
        for other in self.controllers.values():
            dbm = self.rssi.get((sender.name, other.name), -50)
            if other is not sender and dbm is not None:
                loop.call_soon(other.hear, sender, kind, address, data, scan_response, dbm)

    def connect(self, central, peripheral, address):
        if not peripheral.advertising or peripheral.le_legacy_advertiser.address != address:
            return
        pending, central.pending_le_connection = central.pending_le_connection, None
        public = pending.own_address_type == hci.OwnAddressType.PUBLIC
        own = central.public_address if public else central.random_address
        peripheral.stop_advertising()
        here = central.new_end(hci.Role.CENTRAL, own, address)
        there = peripheral.new_end(hci.Role.PERIPHERAL, address, own)
        here.other, there.other = there, here
        here.start(self)
        there.start(self)
        here.controller.connection_complete(0, here.handle, here.role, address)
        there.controller.connection_complete(0, there.handle, there.role, own)

    def end(self, end, reason, other_reason):
        """Ends a link; who is given a reason is told."""
        for each, why in ((end, reason), (end.other, other_reason)):
            if each.controller.le_connections.pop(each.handle, None) is None:
                continue
            each.stop()
            if why is not None:
                each.controller.send_hci_packet(
                    hci.HCI_Disconnection_Complete_Event(
                        status=0, connection_handle=each.handle, reason=why
                    )
                )

    def links(self, a=None, b=None):
        for controller in self.controllers.values():
            for end in list(controller.le_connections.values()):
                names = (controller.name, end.other.controller.name)
                if end.role == hci.Role.CENTRAL and (a is None or set(names) == {a, b}):
                    yield names, end

    def close(self):
        for controller in self.controllers.values():
            controller.hang_up()
            controller.off()
        for closer in self.closers:
            closer()

    # Requests

    async def do(self, request):
        handler = getattr(self, "do_" + str(request.pop("do", "")), None)
        if handler is None:
            raise ValueError("no such request")
        return await handler(**request) or {}

    def new_controller(self, name, sink):
        if name in self.controllers or name == "*":
            raise ValueError(f"{name} is taken")
        self.numbers += 1
        controller = AirController(name, self, self.numbers, sink)
        self.controllers[name] = controller
        return controller

    async def do_add(self, name, hci=None, pty=None):
        controller = self.new_controller(name, None)
        if (hci is None) == (pty is None):
            raise ValueError("one of hci and pty")
        if pty is not None:
            self.closers.append(await serve_pty(pty, controller))
            return
        server = await asyncio.start_unix_server(
            lambda reader, writer: serve_host(reader, writer, controller), hci
        )
        self.closers.append(server.close)

    async def do_unplug(self, name):
        self.controllers[self.known(name)].hang_up()

    async def do_rssi(self, dbm, **ends):
        sender, hearer = ends["from"], ends["to"]
        self.rssi[self.known(sender), self.known(hearer)] = dbm
        if dbm is None:
            await self.do_cut(sender, hearer)

    async def do_cut(self, a, b):
        links = [end for _, end in self.links(self.known(a), self.known(b))]
        for end in links:
            self.end(end, TIMED_OUT, TIMED_OUT)
        return {"links": len(links)}

    async def do_pair(self, a="*", b="*", **settings):
        if not settings.keys() <= Pair.SETTINGS:
            raise ValueError(f"settings are {sorted(Pair.SETTINGS)}")
        pairs = [self.pairs["*"]]
        if "*" not in (a, b):
            key = frozenset((self.known(a), self.known(b)))
            if key not in self.pairs:
                vars(self.pairs[key]).update(vars(self.pairs["*"]))
            pairs = [self.pairs[key]]
        elif a == b:
            pairs = self.pairs.values()
        for pair in pairs:
            vars(pair).update(settings)

    async def do_advertise(self, to, address, data, scan="", dbm=-50):
        hearer = self.controllers[self.known(to)]
        address = hci.Address(address, hci.Address.RANDOM_DEVICE_ADDRESS)
        hearer.hear(None, ADV_IND, address, bytes.fromhex(data), bytes.fromhex(scan), dbm)

    async def do_inject(self, l2cap, **ends):
        sender, hearer = self.known(ends["from"]), self.known(ends["to"])
        for (_, _), end in self.links(sender, hearer):
            target = end.other if end.controller.name == sender else end
            target.receive(bytes.fromhex(l2cap))
            return {"links": 1}
        return {"links": 0}

    async def do_seed(self, seed):
        self.dice.seed(seed)

    async def do_status(self):
        return {
            "controllers": {
                name: {
                    "address": str(c.random_address),
                    "scanning": c.le_scan_enable,
                    "advertising": c.advertising,
                }
                for name, c in self.controllers.items()
            },
            "links": [names for names, _ in self.links()],
        }

    def known(self, name):
        if name not in self.controllers:
            raise ValueError(f"no controller {name}")
        return name


class HostSink:
    """Where a controller's packets go: to its host."""

    def __init__(self, write, hang_up):
        self.write, self.hang_up = write, hang_up

    def on_packet(self, packet):
        self.write(packet)


async def serve_host(reader, writer, controller):
    if controller.host is not None:
        writer.close()
        return

    def write(packet):
        if not writer.is_closing():
            writer.write(packet)

    controller.host = HostSink(write, writer.close)
    parser = PacketParser(controller)
    try:
        while data := await reader.read(4096):
            parser.feed_data(data)
    except (ConnectionError, ValueError) as error:
        print(f"air: {controller.name}: {error}", file=sys.stderr, flush=True)
    finally:
        controller.off()
        writer.close()


async def serve_pty(path, controller):
    ours, theirs = os.openpty()
    tty.setraw(ours)
    os.symlink(os.ttyname(theirs), path)
    os.set_blocking(ours, False)
    loop = asyncio.get_running_loop()
    parser = PacketParser(controller)
    to_host = bytearray()

    def readable():
        with contextlib.suppress(BlockingIOError):
            parser.feed_data(os.read(ours, 4096))

    def writable():
        with contextlib.suppress(BlockingIOError):
            del to_host[: os.write(ours, to_host)]
        if not to_host:
            loop.remove_writer(ours)

    def write(packet):
        if controller.host is not None:
            to_host.extend(packet)
            loop.add_writer(ours, writable)

    def close():
        controller.host = None
        loop.remove_reader(ours)
        loop.remove_writer(ours)
        os.close(ours)
        os.close(theirs)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    controller.host = HostSink(write, lambda: None)
    loop.add_reader(ours, readable)
    return close


async def control(reader, writer):
    air = Air()
    try:
        while line := await reader.readline():
            try:
                answer = {"ok": True, **await air.do(json.loads(line))}
            except Exception as error:  # whatever is wrong with a request, say so to who made it
                answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
    except (ConnectionError, ValueError) as error:
        print(f"air: control: {error}", file=sys.stderr, flush=True)
    finally:
        air.close()
        writer.close()


async def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    server = await asyncio.start_unix_server(control, sys.argv[1])
    print("AIR READY", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
