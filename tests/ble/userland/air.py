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

What Bumble's controllers do otherwise and real ones do not, overridden here: data packets above 27/251 bytes are
fragmented; links are known by handle, not by address, so an address may change under them; scan responses are
sent, only to active scanners, and duty cycles are kept; who is not connectable cannot be connected to; cancelling
a connection cancels it; an address cannot be changed while it is in use; a reset resets. Advertising is legacy.
"""
import asyncio
import collections
import contextlib
import json
import os
import random
import sys
import tty

from bumble import hci, ll
from bumble.controller import Connection, Controller
from bumble.core import PhysicalTransport
from bumble.transport.common import PacketParser

ACL_BYTES = 251
ACL_PACKETS = 8
UNKNOWN_CONNECTION = hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR
DISALLOWED = hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR
TIMED_OUT = hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR
LOCAL_HOST = hci.HCI_ErrorCode.CONNECTION_TERMINATED_BY_LOCAL_HOST_ERROR
SUCCESS = hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)
ADV_IND, ADV_SCAN_IND, SCAN_RSP = 0, 2, 4
ATT_CHANNEL = 4
ATT_MTU_REQUEST, ATT_MTU_RESPONSE, ATT_NOTIFY, ATT_WRITE_COMMAND = 0x02, 0x03, 0x1B, 0x52


class Pair:
    """How the links between two controllers behave."""

    latency_ms = 0.0
    bytes_per_s = 0
    reorder = 0.0
    lose = 0.0
    att_mtu = 517

    SETTINGS = {"latency_ms", "bytes_per_s", "reorder", "lose", "att_mtu"}


class End(Connection):
    """One end of a link. What the host sends passes `outgoing`, then, after the latency, the other host."""

    other = None
    held = None

    def start(self, air):
        self.air = air
        self.outgoing = collections.deque()
        self.in_flight = collections.deque()
        self.wake = asyncio.Event()
        self.arrive = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.tasks = [loop.create_task(self.transmit()), loop.create_task(self.travel())]

    def stop(self):
        for task in self.tasks:
            task.cancel()

    def on_hci_acl_data_packet(self, packet):
        self.outgoing.append(packet)
        self.wake.set()

    async def transmit(self):
        while True:
            await self.wake.wait()
            self.wake.clear()
            while self.outgoing:
                packet = self.outgoing.popleft()
                rate = self.pair().bytes_per_s
                if rate:
                    await asyncio.sleep(len(packet.data) / rate)
                self.assembler.feed_packet(packet)
                self.controller.send_hci_packet(
                    hci.HCI_Number_Of_Completed_Packets_Event(
                        connection_handles=[self.handle], num_completed_packets=[1]
                    )
                )

    def pair(self):
        return self.air.pair(self.controller.name, self.other.controller.name)

    def on_acl_pdu(self, pdu):
        pair, dice = self.pair(), self.air.dice
        channel = int.from_bytes(pdu[2:4], "little")
        kind = pdu[4] if channel == ATT_CHANNEL and len(pdu) > 4 else None
        if kind in (ATT_MTU_REQUEST, ATT_MTU_RESPONSE) and len(pdu) == 7:
            mtu = min(int.from_bytes(pdu[5:7], "little"), pair.att_mtu)
            pdu = pdu[:5] + mtu.to_bytes(2, "little")
        if kind in (ATT_NOTIFY, ATT_WRITE_COMMAND) and dice.random() < pair.lose:
            return
        due = asyncio.get_running_loop().time() + pair.latency_ms / 1000
        behind = 0
        if kind == ATT_NOTIFY and pair.reorder and dice.random() < pair.reorder:
            # Let it be overtaken by as many as are on their way, three at most, and wait a little for those.
            behind, due = dice.randint(1, 3), due + 0.02
        self.in_flight.append([due, behind, bytes(pdu)])
        self.arrive.set()

    async def travel(self):
        while True:
            await self.arrive.wait()
            self.arrive.clear()
            while self.in_flight:
                first = self.in_flight[0]
                at = 0
                if first[1] and len(self.in_flight) > 1:
                    # The next one that waits for nobody goes first.
                    at = next((i for i, item in enumerate(self.in_flight) if not item[1]), 0)
                item = self.in_flight[at]
                delay = item[0] - asyncio.get_running_loop().time()
                if delay > 0:
                    if at == 0 and item[1]:
                        # May still be overtaken by what comes meanwhile.
                        try:
                            await asyncio.wait_for(self.arrive.wait(), delay)
                            self.arrive.clear()
                            continue
                        except asyncio.TimeoutError:
                            pass
                    else:
                        await asyncio.sleep(delay)
                self.in_flight.remove(item)
                if at > 0:
                    first[1] -= 1
                self.other.receive(item[2])

    def receive(self, pdu):
        """Hands a whole L2CAP PDU to this end's host, in fragments."""
        for offset in range(0, max(len(pdu), 1), ACL_BYTES):
            part = pdu[offset : offset + ACL_BYTES]
            boundary = 2 if offset == 0 else 1
            self.controller.send_hci_packet(
                hci.HCI_AclDataPacket(self.handle, boundary, 0, len(part), part)
            )

    def send_ll_control_pdu(self, packet):
        # The controller looks connections up by what it is given: here handles.
        other = self.other
        asyncio.get_running_loop().call_soon(
            other.controller.on_ll_control_pdu, other.handle, packet
        )


class AirController(Controller):
    """A controller whose links are known by handle."""

    le_acl_data_packet_length = ACL_BYTES
    total_num_le_acl_data_packets = ACL_PACKETS

    def __init__(self, name, air, number, sink):
        super().__init__(
            name,
            host_sink=sink,
            public_address=hci.Address(
                f"00:BB:01:00:{number >> 8:02X}:{number & 255:02X}",
                hci.Address.PUBLIC_DEVICE_ADDRESS,
            ),
        )
        self.air = air
        self.le_features &= ~hci.LeFeatureMask.LE_EXTENDED_ADVERTISING
        self.timer = None

    def off(self):
        """As if unplugged."""
        self.silence()
        self.host = None
        for end in list(self.le_connections.values()):
            self.air.end(end, TIMED_OUT, TIMED_OUT)

    def hang_up(self):
        if self.host:
            self.host.hang_up()

    def silence(self):
        self.stop_advertising()
        self.le_scan_enable = False
        self.pending_le_connection = None

    # Advertising

    @property
    def advertising(self):
        return self.timer is not None

    def stop_advertising(self):
        if self.timer:
            self.timer.cancel()
            self.timer = None

    def advertise(self):
        legacy, loop = self.le_legacy_advertiser, asyncio.get_running_loop()
        # Units of 0.625 ms, and up to 10 ms of random delay (Bluetooth Core, Vol 6, Part B, 4.4.2.2).
        interval = legacy.advertising_interval_min * 0.000625
        self.timer = loop.call_later(interval + self.air.dice.random() * 0.01, self.advertise)
        self.air.heard_from(
            self,
            legacy.advertising_type,
            legacy.address,
            bytes(legacy.advertising_data),
            bytes(legacy.scan_response_data),
        )

    def hear(self, sender, kind, address, data, scan_response, dbm):
        pending = self.pending_le_connection
        if pending and kind == ADV_IND and pending.peer_address == address and sender:
            self.air.connect(self, sender, address)
            return
        if not self.le_scan_enable:
            return
        # The scanner's duty cycle.
        now = asyncio.get_running_loop().time() / 0.000625
        if now % max(self.le_scan_interval, 1) > self.le_scan_window:
            return
        self.report(kind, address, data, dbm)
        if self.le_scan_type == 1 and kind in (ADV_IND, ADV_SCAN_IND):
            self.report(SCAN_RSP, address, scan_response, dbm)

    def report(self, kind, address, data, dbm):
        report = hci.HCI_LE_Advertising_Report_Event.Report(
            event_type=kind, address_type=address.address_type, address=address, data=data, rssi=dbm
        )
        self.send_hci_packet(hci.HCI_LE_Advertising_Report_Event([report]))

    # Commands

    def on_hci_reset_command(self, _command):
        self.silence()
        for end in list(self.le_connections.values()):
            self.air.end(end, None, TIMED_OUT)
        return SUCCESS

    def on_hci_le_set_random_address_command(self, command):
        if self.advertising or self.le_scan_enable or self.pending_le_connection:
            return hci.HCI_StatusReturnParameters(DISALLOWED)
        return super().on_hci_le_set_random_address_command(command)

    def on_hci_le_set_advertising_parameters_command(self, command):
        if self.advertising:
            return hci.HCI_StatusReturnParameters(DISALLOWED)
        return super().on_hci_le_set_advertising_parameters_command(command)

    def on_hci_le_set_advertising_enable_command(self, command):
        if not command.advertising_enable:
            self.stop_advertising()
        elif not self.advertising:
            self.timer = asyncio.get_running_loop().call_soon(self.advertise)
        return SUCCESS

    def on_hci_le_create_connection_cancel_command(self, _command):
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(DISALLOWED)
        asyncio.get_running_loop().call_soon(
            self.connection_complete, UNKNOWN_CONNECTION, 0, hci.Role.CENTRAL, pending.peer_address
        )
        return SUCCESS

    def on_hci_disconnect_command(self, command):
        end = self.le_connections.get(command.connection_handle)
        if end is None:
            self._send_hci_command_status(UNKNOWN_CONNECTION, command.op_code)
            return
        self._send_hci_command_status(hci.HCI_COMMAND_STATUS_PENDING, command.op_code)
        self.air.end(end, LOCAL_HOST, command.reason)

    # Links

    def connection_complete(self, status, handle, role, peer):
        self.send_hci_packet(
            hci.HCI_LE_Connection_Complete_Event(
                status=status,
                connection_handle=handle,
                role=role,
                peer_address_type=peer.address_type,
                peer_address=peer,
                connection_interval=12,
                peripheral_latency=0,
                supervision_timeout=400,
                central_clock_accuracy=0,
            )
        )

    def new_end(self, role, own, peer):
        end = End(
            controller=self,
            handle=self.allocate_connection_handle(),
            role=role,
            self_address=own,
            peer_address=peer,
            link=self.link,
            transport=PhysicalTransport.LE,
            link_type=hci.HCI_Connection_Complete_Event.LinkType.ACL,
        )
        self.le_connections[end.handle] = end
        return end

    def on_le_disconnected(self, connection, reason):
        self.air.end(connection, reason, reason)

    def on_hci_packet(self, packet):
        try:
            super().on_hci_packet(packet)
        except Exception as error:  # one bad packet of one host must not end everybody's air
            print(f"air: {self.name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


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
    controller.host = HostSink(writer.write, writer.close)
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
        to_host.extend(packet)
        loop.add_writer(ours, writable)

    def close():
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
