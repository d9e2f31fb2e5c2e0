"""Section 11 of docs/protocol.md on Bumble's host: finds and dials a node, or is found and dialled."""
import asyncio

from bumble.core import UUID
from bumble.device import Device, Peer
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address

import advert
import coc
from pipe import Pipe

SERVICE, TO_NODE, FROM_NODE, HELLO = (
    UUID.from_bytes(number[::-1]) for number in (advert.SERVICE, advert.TO_NODE, advert.FROM_NODE, advert.HELLO)
)
ATT_HEADER = 3
ATT_MTU = 517
Properties = Characteristic.Properties


class Connected:
    """A connection that a stream runs on. `ended` resolves when it has gone."""

    def __init__(self, connection):
        self.connection = connection
        self.ended = asyncio.get_running_loop().create_future()
        self.pipe = None
        self.early = []
        connection.on("disconnection", self.gone)

    def gone(self, reason):
        if not self.ended.done():
            self.ended.set_result(reason)
        if self.pipe:
            self.pipe.lost(f"disconnected: {reason}")

    def over_gatt(self, send_frame):
        self.pipe = Pipe(send_frame, self.connection.att_mtu - ATT_HEADER)
        for frame in self.early:
            self.pipe.handle(frame)

    def over_channel(self, channel):
        self.pipe = Pipe(channel.send, channel.max_frame)
        channel.trust(self.pipe.handle)

    def frame(self, value):
        if self.pipe:
            self.pipe.handle(bytes(value))
        else:
            self.early.append(bytes(value))


async def power_on(line, epoch):
    # How Bumble writes an address: most significant byte first, as section 11.5 derives it.
    address = Address(":".join(f"{byte:02X}" for byte in epoch.address), Address.RANDOM_DEVICE_ADDRESS)
    device = Device.with_hci("", address, line.source, line.sink)
    await device.power_on()
    return device


async def dial(device, options, say, observe):
    """Connects to the first node heard."""
    heard = asyncio.get_running_loop().create_future()

    def on_advertisement(advertisement):
        both = bytes(advertisement.data)
        found = advert.sighting(both)
        if found and not heard.done():
            heard.set_result((advertisement.address, both, found))

    device.on("advertisement", on_advertisement)
    await device.start_scanning(legacy=True, active=True)
    address, both, (discovery_id, capabilities) = await heard
    await device.stop_scanning(legacy=True)
    observe("advertised", both)
    observe("address", bytes(address)[::-1])
    contact = advert.resolves(options.contact, discovery_id)
    say("heard", id=discovery_id.hex(), capabilities=capabilities, address=str(address), contact=contact)
    connected = Connected(await device.connect(address))
    peer = Peer(connected.connection)
    await peer.request_mtu(ATT_MTU)
    await peer.discover_services()
    for service in peer.services:
        await service.discover_characteristics()
        await read_all(service, observe)

    def characteristic(uuid):
        return peer.get_characteristics_by_uuid(uuid)[0]

    hello_id, _, psm = advert.read_hello(bytes(await characteristic(HELLO).read_value()))
    if hello_id != discovery_id:
        raise ConnectionError("the hello has another id than the air")
    if options.l2cap and psm:
        channel = coc.Channel(await connected.connection.create_l2cap_channel(coc.spec(psm)))
        await channel.test(is_dialer=True)
        connected.over_channel(channel)
    else:
        await characteristic(FROM_NODE).subscribe(connected.frame)
        connected.over_gatt(characteristic(TO_NODE).write_value)
    bearer = "l2cap" if options.l2cap and psm else "gatt"
    say("up", role="dialer", bearer=bearer, max_frame=connected.pipe.stream.max_frame)
    return connected


async def read_all(service, observe):
    """What any stranger can read of a node: every value, and the UUIDs."""
    observe("uuid", service.uuid.to_bytes())
    for characteristic in service.characteristics:
        observe("uuid", characteristic.uuid.to_bytes())
        if characteristic.properties & Properties.READ:
            observe("value", bytes(await characteristic.read_value()))


async def serve(device, epoch, capabilities, l2cap, say):
    """Waits for the first node that dials and subscribes, or opens a channel if we take any."""
    begun = asyncio.get_running_loop().create_future()
    by_handle = {}
    psm = coc.PSM if l2cap else 0
    capabilities |= advert.L2CAP if l2cap else 0

    def connected_of(connection):
        if connection.handle not in by_handle:
            by_handle[connection.handle] = Connected(connection)
        return by_handle[connection.handle]

    def begin(connection, channel):
        if not begun.done():
            begun.set_result((connection, channel))

    hello = Characteristic(
        HELLO, Properties.READ, Characteristic.READABLE, advert.hello(epoch.id, capabilities, psm)
    )
    to_node = Characteristic(
        TO_NODE,
        Properties.WRITE | Properties.WRITE_WITHOUT_RESPONSE,
        Characteristic.WRITEABLE,
        CharacteristicValue(write=lambda connection, value: connected_of(connection).frame(value)),
    )
    from_node = Characteristic(FROM_NODE, Properties.NOTIFY, Characteristic.READABLE)
    device.add_service(Service(SERVICE, [to_node, from_node, hello]))
    device.on("connection", connected_of)
    from_node.on(
        Characteristic.EVENT_SUBSCRIPTION,
        lambda connection, notify, _indicate: notify and begin(connection, None),
    )
    if l2cap:
        opened = lambda channel: begin(channel.connection, coc.Channel(channel))
        device.create_l2cap_server(coc.spec(psm), opened)
    await device.start_advertising(
        advertising_data=advert.advertisement(),
        scan_response_data=advert.scan_response(epoch.id, capabilities),
    )
    say("advertising", id=epoch.id.hex(), key=epoch.resolving_key.hex())
    connection, channel = await begun
    connected = connected_of(connection)
    if channel:
        await channel.test(is_dialer=False)
        connected.over_channel(channel)
    else:
        connected.over_gatt(lambda frame: device.notify_subscriber(connection, from_node, frame))
    bearer = "l2cap" if channel else "gatt"
    say("up", role="listener", bearer=bearer, max_frame=connected.pipe.stream.max_frame)
    return connected
