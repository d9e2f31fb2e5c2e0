"""Bumble's controllers, made to behave like real ones on one air.

What Bumble's controllers do otherwise and real ones do not, overridden here: data packets above 27/251 bytes are
fragmented; links are known by handle, not by address, so an address may change under them; scan responses are
sent, only to active scanners, and duty cycles are kept; who is not connectable cannot be connected to; cancelling
a connection cancels it; an address cannot be changed while it is in use; a reset resets. Advertising is legacy.
"""
import asyncio
import collections
import sys

from bumble import hci
from bumble.controller import Connection, Controller
from bumble.core import PhysicalTransport

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
