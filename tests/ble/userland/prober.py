#!/usr/bin/env python3
"""A stranger on Bumble's own host: another stack's view of the adapter's GATT server.

    prober.py HCI     on the controller behind that Unix socket

Connects to the first node it hears and reads the hello; then does what is asked on standard input, a word a
line, and answers each with a JSON object a line (the first without being asked):

    (start)      {"hello": hex, "mtu": n, "services": [uuid, ...]}
    hello        {"hello": hex} or {"refused": ATT error}
    subscribe    {"subscribed": true}; from then on {"notified": hex} comes by itself
    write HEX    {"written": true}, without response
    gone         waits for the end: {"gone": reason}
"""
import asyncio
import json
import sys

from bumble.att import ATT_Error
from bumble.core import UUID
from bumble.device import Device, Peer
from bumble.transport import open_transport

SERVICE = UUID("c9e1b455-577d-8228-b0b6-8513fc4edba9")
TO_NODE = UUID("e656554f-4d61-81eb-bcdf-828588b062e9")
FROM_NODE = UUID("dd29096c-ecdf-8348-b86d-a3e69507e2d3")
HELLO = UUID("c5559772-39bf-8f92-a0a6-b8fea8d6b11b")


def say(**what):
    print(json.dumps(what), flush=True)


async def main():
    loop = asyncio.get_running_loop()
    async with await open_transport("unix-client:" + sys.argv[1]) as line:
        device = Device.with_hci("prober", "F0:F1:F2:F3:F4:F5", line.source, line.sink)
        await device.power_on()
        heard = loop.create_future()

        def on_advertisement(advertisement):
            if bytes(SERVICE) in bytes(advertisement.data) and not heard.done():
                heard.set_result(advertisement.address)

        device.on("advertisement", on_advertisement)
        await device.start_scanning(legacy=True, active=True)
        address = await heard
        await device.stop_scanning(legacy=True)
        connection = await device.connect(address)
        gone = loop.create_future()
        connection.on("disconnection", gone.set_result)
        peer = Peer(connection)
        mtu = await peer.request_mtu(517)
        await peer.discover_services()
        for service in peer.services:
            await service.discover_characteristics()

        def characteristic(uuid):
            return peer.get_characteristics_by_uuid(uuid)[0]

        services = [service.uuid.to_hex_str("-") for service in peer.services]
        value = await characteristic(HELLO).read_value()
        say(hello=bytes(value).hex(), mtu=mtu, services=services)
        while request := (await loop.run_in_executor(None, sys.stdin.readline)).split():
            match request:
                case ["hello"]:
                    try:
                        value = await characteristic(HELLO).read_value()
                        say(hello=bytes(value).hex())
                    except ATT_Error as error:
                        say(refused=error.error_code)
                case ["subscribe"]:
                    from_node = characteristic(FROM_NODE)
                    await from_node.subscribe(lambda frame: say(notified=bytes(frame).hex()))
                    say(subscribed=True)
                case ["write", frame]:
                    await characteristic(TO_NODE).write_value(bytes.fromhex(frame))
                    say(written=True)
                case ["gone"]:
                    say(gone=await gone)


asyncio.run(main())
