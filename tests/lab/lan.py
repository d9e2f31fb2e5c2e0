"""See lan.sh."""

import os
import shutil
import struct

from common import (
    DIR, Capture, Node, check, figure, finish, median, say, transport_key, until,
)

MODE = os.environ["LAB_MODE"]
TRIES = int(os.environ.get("TRIES", "10" if MODE == "dual" else "5"))
CHANNEL = "#nearby"


def goodbyes(pcap):
    """DNS records with a TTL of 0 in a capture: how many."""
    count, at = 0, 24
    while at + 16 <= len(pcap):
        size = struct.unpack_from("<I", pcap, at + 8)[0]
        packet, at = pcap[at + 16:at + 16 + size], at + 16 + size
        kind = packet[12:14]
        dns = None
        if kind == b"\x08\x00" and packet[23] == 17:
            dns = packet[14 + (packet[14] & 15) * 4 + 8:]
        elif kind == b"\x86\xdd" and packet[20] == 17:
            dns = packet[62:]
        if dns and len(dns) > 12 and dns[2] & 0x80:
            count += zero_ttls(dns)
    return count


def zero_ttls(dns):
    def skip(at):
        while dns[at]:
            if dns[at] >= 0xC0:
                return at + 2
            at += dns[at] + 1
        return at + 1
    questions, answers = struct.unpack_from(">HH", dns, 4)
    at, zeros = 12, 0
    for _ in range(questions):
        at = skip(at) + 4
    for _ in range(answers):
        at = skip(at)
        _, _, ttl, size = struct.unpack_from(">HHIH", dns, at)
        zeros += ttl == 0
        at += 10 + size
    return zeros


def pairs(nodes):
    return [(a, b) for a in nodes for b in nodes if a is not b]


def cold(nodes):
    for node in nodes:
        node.start(wait=False)
    for node in nodes:
        node.started()
    begin = min(node.began for node in nodes)
    for kind, what, target in (("peer_discovered", "seen", 1500), ("link_up", "connected", 1500)):
        times = [a.peer(kind, b) for a, b in pairs(nodes)]
        if all(times):
            figure(f"{MODE}: three cold at once, last of all pairs {what} after",
                   (max(times) - begin) * 1000, "ms", target)
    for node in nodes:
        linked = [peer for peer in node.cli("peers") if peer["state"] == "connected"]
        check(len(linked) == 2, f"{node.name}: `peers` lists the other two as connected")


def avahi(nodes):
    with open(os.path.join(DIR, "running"), "w"):
        pass
    until(lambda: os.path.exists(os.path.join(DIR, "listed")), 40, 0.1)
    with open(os.path.join(DIR, "avahi.txt"), errors="replace") as out:
        listed = [line for line in out if line.startswith("=")]
    for node in nodes:
        key = transport_key(node.id).hex()
        check(any(f"pk={key}" in line for line in listed), f"{MODE}: avahi-browse lists {node.name}")


def newcomers(nodes):
    saw, seen, linked = [], [], []
    for number in range(TRIES):
        new = Node(4, f"new{number}").start()
        times = [new.peer("peer_discovered", other) for other in nodes]
        others = [other.peer("peer_discovered", new) for other in nodes]
        links = [new.peer("link_up", other) for other in nodes]
        if all(times + others + links):
            saw.append((max(times) - new.began) * 1000)
            seen.append((max(others) - new.began) * 1000)
            linked.append((max(links) - new.began) * 1000)
        new.stop()
        for other in nodes:
            other.peer("peer_lost", new)
        shutil.rmtree(new.data)
    if not check(len(saw) == TRIES, f"{MODE}: all {TRIES} newcomers were seen and linked by all"):
        return
    for what, times, target in (("sees all others", saw, 500), ("is seen by all others", seen, 500),
                                ("is linked with all others", linked, None)):
        figure(f"{MODE}: newcomer {what}, median of {TRIES}, after", median(times), "ms", target)
        say("    all, ms: " + " ".join(f"{time:.0f}" for time in times))


def talk(nodes):
    texts = []
    for node in nodes:
        text = f"{node.name} says hello over {MODE}"
        texts.append(text)
        node.cli("send", CHANNEL, text)
        times = [other.message(text) for other in nodes]
        if all(times):
            # The writer's own event stands for the moment of writing.
            figure(f"{MODE}: {node.name}'s line is shown everywhere after",
                   (max(times) - times[nodes.index(node)]) * 1000, "ms")
    orders = {tuple(node.texts(CHANNEL)) for node in nodes}
    check(len(orders) == 1 and set(orders.pop()) == set(texts), f"{MODE}: one history, each line once")
    state = until(lambda: all(entry["state"] == "delivered" for node in nodes
                              for entry in node.cli("history", CHANNEL) if entry["own"]), 10, 0.1)
    check(state, f"{MODE}: every line is shown as delivered to its writer")


def leave_and_return(nodes):
    anna, ben, cleo = nodes
    who = anna.cli("id", "show")["identity"]
    before = anna.texts(CHANNEL)
    wire = Capture(2, "goodbye", ["udp", "port", "5353"])
    took = anna.stop()
    figure(f"{MODE}: Ctrl-C ends the node within", took, "s", 2, slack=1)
    check(anna.run.returncode == 0, f"{MODE}: its exit code is 0")
    for other in (ben, cleo):
        other.peer("peer_lost", anna, 5)
    check(goodbyes(wire.stop()) > 0, f"{MODE}: an mDNS goodbye (TTL 0) went out")
    text = f"said meanwhile, over {MODE}"
    ben.cli("send", CHANNEL, text)
    anna.start()
    at = anna.message(text)
    if at:
        figure(f"{MODE}: back after Ctrl-C, what was said meanwhile arrives after", at - anna.began, "s", 2)
    check(anna.cli("id", "show")["identity"] == who, f"{MODE}: identity is still there")
    check(anna.texts(CHANNEL) == before + [text], f"{MODE}: history is still there, in order, once")


def main():
    say(f"{MODE}:")
    nodes = [Node(1, "Anna"), Node(2, "Ben"), Node(3, "Cleo")]
    cold(nodes)
    avahi(nodes)
    newcomers(nodes)
    talk(nodes)
    leave_and_return(nodes)
    for node in nodes:
        node.stop()
        check(not node.panicked(), f"{MODE}: {node.name} did not panic")
    finish()


main()
