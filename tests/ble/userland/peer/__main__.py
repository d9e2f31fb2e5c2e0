#!/usr/bin/env python3
"""A peer of Sovereign on Bumble's own host, written from docs/protocol.md and proto/ alone.

    peer HCI dial|serve --channel '#field' --name Python [--holds TEXT] [--contact KEY] [--l2cap]
         [--observe]

On the controller behind the Unix socket HCI it dials a node, or is dialled by one, and takes part in one public
channel over that link. It prints a JSON object a line, {"is": word, ...}:

    advertising {id, key}                     serve: our discovery id, and what resolves it
    heard {id, capabilities, address, contact}  dial: whom we dial; whether KEY resolves its id
    up {role, bearer, max_frame}              frames go both ways, over gatt or l2cap
    secure {node, peer, own}                  transport ids as PeerIds, and the node's in hex
    linked {id}                               both Hello; the discovery id that a dialling node names
    summary {count}, in step {count}          section 8.2
    member {}                                 the node has proved that it is in the channel
    text {text, name, lamport}                a text of another author, opened and verified
    delivered {texts}                         which of ours the node says it has opened
    carried {size}, refused {why}             other bundles
    observed {what, hex}                      with --observe: what a prober gets to see
    ended {why}

and does what it reads, a line each: "say TEXT", "close".
"""
import argparse
import asyncio
import json
import os
import sys

from bumble.transport import open_transport

import advert
import radio
from channel import PublicChannel
from link import Link
from member import Member
from primitives import peer_id
from secure import Secure


def say(word, **what):
    print(json.dumps({"is": word, **what}), flush=True)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("hci")
    parser.add_argument("role", choices=("dial", "serve"))
    parser.add_argument("--channel", default="#field")
    parser.add_argument("--name", default="Python")
    parser.add_argument("--holds", action="append", default=[], help="a text said before there is a link")
    parser.add_argument("--contact", type=bytes.fromhex, default=b"", help="a resolving key")
    parser.add_argument("--l2cap", action="store_true", help="open channels, or take them")
    parser.add_argument("--observe", action="store_true")
    return parser.parse_args()


async def commands(link, member):
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        word, _, text = line.rstrip("\n").partition(" ")
        if word == "say":
            await link.tell(member.say(text))
        elif word == "close":
            break
    await link.close()


async def talk(connected, is_dialer, epoch, member, observe):
    secure = Secure(connected.pipe, epoch.transport, is_dialer, observe)
    await secure.start()
    observe("transport key", secure.node)
    say("secure", node=secure.node.hex(), peer=peer_id(secure.node), own=peer_id(epoch.transport.public))
    link = Link(secure, is_dialer, member, epoch.id, say, observe)
    await link.open()
    say("linked", id=link.their_id and link.their_id.hex())
    tasks = asyncio.create_task(link.run()), asyncio.create_task(commands(link, member))
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    for task in done:
        task.result()
    await connected.pipe.close()
    return "closed by us"


async def main():
    options = arguments()
    member = Member(PublicChannel(options.channel), options.name)
    for text in options.holds:
        member.say(text)
    epoch = advert.Epoch(os.urandom(32))

    def observe(what, data):
        if options.observe:
            say("observed", what=what, hex=bytes(data).hex())

    async with await open_transport("unix-client:" + options.hci) as line:
        device = await radio.power_on(line, epoch)
        is_dialer = options.role == "dial"
        try:
            if is_dialer:
                connected = await radio.dial(device, options, say, observe)
            else:
                connected = await radio.serve(device, epoch, advert.DIAL_ME, options.l2cap, say)
            why = await talk(connected, is_dialer, epoch, member, observe)
            await connected.connection.disconnect()
        except ConnectionError as error:
            why = str(error)
        say("ended", why=why)
    # A thread may still wait for standard input.
    os._exit(0)


asyncio.run(main())
