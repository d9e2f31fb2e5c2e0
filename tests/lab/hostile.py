"""See hostile.sh. Host 4 attacks host 1; hosts 2 and 3 are honest. `attack` runs inside host 4."""

import json
import os
import random
import re
import socket
import subprocess
import sys
import time

from common import DIR, Node, bad, check, figure, finish, inside, say, transport_key

MIB = 1024 * 1024
TOTAL = int(os.environ.get("HOSTILE_MIB", "64")) * MIB
# Shares of the bytes by door.
SHARES = {"tcp": 0.35, "quic": 0.35, "mdns": 0.15, "control": 0.15}
CHANNEL = "#nearby"
SEED = int(os.environ.get("SEED", "3"))
MAX_RSS_GROWTH = 32 * MIB

# What a valid conversation begins with; mutants are made of these.
NOISE = b"\x13/multistream/1.0.0\n\x07/noise\n"
TCP_SEEDS = [
    NOISE,
    b"\x13/multistream/1.0.0\n\x06/plaintext/2.0.0\n",
    NOISE + b"\x00\x20" + bytes(range(32)),
    NOISE + b"\xff\xff" + bytes(65535),
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" * 20,
    b"\x13/multistream/1.0.0\n\x03ls\n",
]
CONTROL_SEEDS = [json.dumps(command).encode() + b"\n" for command in (
    {"command": "status"}, {"command": "peers"}, {"command": "channel_list"},
    {"command": "history", "channel": CHANNEL, "limit": 10},
    {"command": "send", "channel": "#nowhere", "text": "x" * 500},
    {"command": "channel_join", "target": "sovereign:invite/" + "A" * 120},
    {"command": "import", "path": "/dev/null"},
)] + [b"[" * 60_000 + b"\n", b'{"command":' * 5_000 + b"\n", b"x" * 70_000 + b"\n"]


def mutant(rng, seed):
    """A copy with bits flipped, parts doubled, cut or made random."""
    data = bytearray(seed)
    for _ in range(rng.randint(1, 8)):
        kind, at = rng.randrange(5), rng.randrange(len(data) + 1)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at:at] = rng.randbytes(rng.randint(1, 64))
        elif kind == 2:
            data[at:at] = data[at:at + rng.randint(1, 200)]
        elif kind == 3 and len(data) > 8:
            del data[at:at + rng.randint(1, 40)]
        elif data:
            data[at % len(data)] = rng.choice((0, 0x7F, 0x80, 0xFF))
    return bytes(data)


def attack_stream(connect, seeds, budget, rng, result):
    while result["bytes"] < budget and time.monotonic() < result["end"]:
        try:
            with connect() as stream:
                stream.settimeout(2)
                result["connections"] += 1
                data = mutant(rng, rng.choice(seeds)) if rng.random() < 0.7 else b""
                # Long and short ones, many of them cut off at once by the other side.
                data += rng.randbytes(rng.choice((0, 0, 0, 100, 100, 2_000, 20_000, 300_000)))
                while data:
                    sent = stream.send(data)
                    result["bytes"] += sent
                    data = data[sent:]
                if rng.random() < 0.3:
                    stream.recv(4096)
        except OSError:
            result["refused"] += 1
            time.sleep(0.001)


def attack_datagrams(target, port, seeds, budget, rng, result):
    kind = socket.AF_INET6 if ":" in target else socket.AF_INET
    with socket.socket(kind, socket.SOCK_DGRAM) as out:
        interface = socket.if_nametoindex("eth0")
        if kind == socket.AF_INET6:
            out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, interface)
        else:
            # struct ip_mreqn: no group, no address, the interface.
            out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, bytes(8) + interface.to_bytes(4, sys.byteorder))
        while result["bytes"] < budget and time.monotonic() < result["end"]:
            data = mutant(rng, rng.choice(seeds)) if rng.random() < 0.7 else rng.randbytes(rng.randint(1, 1400))
            try:
                result["bytes"] += out.sendto(data[:1450], (target, port))
                result["connections"] += 1
            except OSError:
                result["refused"] += 1
                time.sleep(0.001)


def attack(door, target, port, budget, seed, seconds, seeds):
    """One attacker's life; its figures as JSON."""
    rng = random.Random(seed)
    result = {"door": door, "bytes": 0, "connections": 0, "refused": 0, "end": time.monotonic() + seconds}
    if door == "tcp":
        attack_stream(lambda: socket.create_connection((target, port), 2), TCP_SEEDS, budget, rng, result)
    elif door == "control":
        def connect():
            stream = socket.socket(socket.AF_UNIX)
            stream.settimeout(2)
            stream.connect(target)
            return stream
        attack_stream(connect, CONTROL_SEEDS, budget, rng, result)
    else:
        attack_datagrams(target, port, seeds, budget, rng, result)
    del result["end"]
    print(json.dumps(result))


def dns_seeds(node):
    """A whole announcement and a query, as others send them, so that the mutants reach deep."""
    def name(text):
        return b"".join(bytes([len(part)]) + part.encode() for part in text.split(".")) + b"\0"

    def record(owner, kind, data, ttl=120):
        return owner + kind.to_bytes(2, "big") + b"\x80\x01" + ttl.to_bytes(4, "big") + len(data).to_bytes(2, "big") + data
    service, instance, host = "_sovereign._tcp.local", "00112233aabbccdd._sovereign._tcp.local", "00112233aabbccdd.local"
    fields = [f"pk={transport_key(node.id).hex()}", "v=1", "p=link,tcp,quic", "c=3", "d=00112233aabbccdd", "q=4001"]
    txt = b"".join(bytes([len(field)]) + field.encode() for field in fields)
    records = [
        record(name(service), 12, name(instance)),
        record(name(instance), 33, b"\0\0\0\0\x0f\xa1" + name(host)),
        record(name(instance), 16, txt),
        record(name(host), 1, bytes((10, 77, 9, 9))),
        record(name(host), 28, bytes.fromhex("fd77" + "0" * 27 + "9")),
    ]
    answer = b"\0\0\x84\0\0\0" + len(records).to_bytes(2, "big") + b"\0\0\0\0" + b"".join(records)
    goodbye = b"\0\0\x84\0\0\0\0\x01\0\0\0\0" + record(name(service), 12, name(instance), 0)
    query = b"\0\0\0\0\0\x01\0\0\0\0\0\0" + name(service) + b"\0\x0c\0\x01"
    loop = b"\0\0\x84\0\0\0\0\x01\0\0\0\0\xc0\x0c\0\x0c\0\x01\0\0\0\x78\0\x02\xc0\x0c"
    return [answer, goodbye, query, loop]


QUIC_SEEDS = [
    b"\xc3\0\0\0\x01\x08" + bytes(8) + b"\x08" + bytes(8) + b"\0\x44\x9e" + bytes(1170),
    b"\xc0\xff\0\0\x1d\x14" + bytes(20) + b"\x14" + bytes(20) + bytes(1100),
    b"\x40" + bytes(60),
    b"\x80\0\0\0\0\x08" + bytes(8) + b"\x08" + bytes(8),
]


def main():
    target, ben, cleo = nodes = [Node(1, "Target"), Node(2, "Ben"), Node(3, "Cleo")]

    for node in nodes:
        node.start()
    for node in nodes:
        for other in nodes:
            if other is not node:
                node.peer("link_up", other)
    tcp = udp = None
    for address in target.cli("status")["listen"]:
        tcp = (re.match(r"/ip4/10\.77[0-9.]*/tcp/(\d+)", address) or [tcp, tcp])[1]
        udp = (re.match(r"/ip4/10\.77[0-9.]*/udp/(\d+)", address) or [udp, udp])[1]
    doors = [("tcp", "10.77.0.2", tcp), ("tcp", "fd77::1", tcp), ("quic", "10.77.0.2", udp), ("quic", "fd77::1", udp),
             ("mdns", "224.0.0.251", "5353"), ("mdns", "ff02::fb", "5353"), ("mdns", "10.77.0.2", "5353"),
             ("control", os.path.join(target.data, "control.sock"), "0")]
    seeds = os.path.join(DIR, "seeds.json")
    with open(seeds, "w") as file:
        json.dump([seed.hex() for seed in dns_seeds(target)], file)
    seconds = 120 + TOTAL // MIB * 3
    time.sleep(2)
    before = target.rss()
    runs = []
    for number, (door, where, port) in enumerate(doors):
        share = SHARES[door] / sum(one[0] == door for one in doors)
        line = [sys.executable, "-B", os.path.abspath(__file__), "attack", door, where, port,
                str(int(TOTAL * share)), str(SEED + number), str(seconds), seeds]
        runs.append(subprocess.Popen(inside(4, *line), stdout=subprocess.PIPE, text=True))
    begin, sent, delays, highest = time.monotonic(), [], [], before
    while any(run.poll() is None for run in runs) and time.monotonic() - begin < seconds + 30:
        writer = (ben, cleo)[len(sent) % 2]
        text = f"honest line {len(sent)}"
        begun = time.time()
        writer.cli("send", CHANNEL, text)
        sent.append(text)
        reader = cleo if writer is ben else ben
        arrived = reader.message(text, 60)
        if arrived:
            delays.append(arrived - begun)
        highest = max(highest, target.rss())
        time.sleep(0.2)
    took = time.monotonic() - begin
    total = 0
    say(f"in {took:.0f} s:")
    for run in runs:
        out, _ = run.communicate(timeout=30)
        result = json.loads(out) if out else bad("an attacker ended early") or {"bytes": 0}
        total += result["bytes"]
        say(f"  {result}")
    check(total >= TOTAL * 0.98, f"{total / MIB:.0f} of {TOTAL / MIB:.0f} MiB were thrown at it")
    check(target.run.poll() is None and not target.panicked(), "it runs, and nothing panicked")
    check(target.cli("status")["name"] == "Target", "it answers on its control socket")
    for node in nodes:
        texts = node.texts(CHANNEL)
        check(all(texts.count(text) == 1 for text in sent), f"{node.name} has all {len(sent)} honest lines, once")
    if delays:
        figure("honest line to the other honest node, slowest", max(delays), "s")
    time.sleep(5)
    after = target.rss()
    say(f"  resident memory before {before / MIB:.1f}, highest {highest / MIB:.1f}, after {after / MIB:.1f} MiB")
    figure("resident memory grew by", (max(highest, after) - before) / MIB, "MiB", MAX_RSS_GROWTH / MIB, slack=1)
    for node in nodes:
        node.stop()
        check(not node.panicked(), f"{node.name} did not panic")
    finish()


if sys.argv[1:2] == ["attack"]:
    _, _, a_door, a_target, a_port, a_budget, a_seed, a_seconds, a_seeds = sys.argv
    with open(a_seeds) as dns:
        hexes = json.load(dns)
    attack(a_door, a_target, int(a_port), int(a_budget), int(a_seed), float(a_seconds),
           [bytes.fromhex(text) for text in hexes] if a_door == "mdns" else QUIC_SEEDS)
else:
    main()
