"""See split_heal.sh. Messages are written on both sides of the cut."""

import hashlib
import json
import os
import socket
import time

from common import Node, bad, cable, check, epoch, figure, finish, say, until

MESSAGES = int(os.environ.get("MESSAGES", "500"))
# Of them, written by the host that is cut off.
ALONE = MESSAGES // 10
CHANNEL = "#split"


class Control:
    """The control socket itself: one connection for many messages."""

    def __init__(self, node):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(os.path.join(node.data, "control.sock"))
        self.lines = self.socket.makefile("rb")

    def ask(self, **request):
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        answer = json.loads(self.lines.readline())
        if "ok" not in answer:
            bad(f"{request}: {answer}")
        return answer


def by_id(nodes, peer):
    return next((node for node in nodes if node.id == peer["transport_id"]), None)


def digest(history):
    return hashlib.sha256("\n".join(entry["id"] for entry in history).encode()).hexdigest()


def cut_and_heal(nodes, label, noticed):
    """With `noticed`, the third host's node has given its links up before anything is written."""
    a, b, c = nodes
    before = len(a.texts(CHANNEL))
    down = cable(3, False)
    if noticed:
        quiet = until(lambda: not any(peer["state"] == "connected" for node in nodes
                                    for peer in node.cli("peers") if c in (node, by_id(nodes, peer))), 150, 0.2)
        check(quiet, f"{label}: both sides have noticed after {time.time() - down:.0f} s")
    talkers = [Control(node) for node in nodes]
    begin = time.monotonic()
    for number in range(MESSAGES):
        who = 2 if number % 10 == 9 else number % 2
        talkers[who].ask(command="send", channel=CHANNEL, text=f"{label} {number} by {nodes[who].name}")
    say(f"  {label}: {MESSAGES} messages written in {time.monotonic() - begin:.1f} s")
    together = MESSAGES - ALONE
    check(until(lambda: len(b.texts(CHANNEL)) == before + together == len(a.texts(CHANNEL)), 30, 0.2),
          f"{label}: the two have {together} of them before the healing")
    check(len(c.texts(CHANNEL)) == before + ALONE, f"{label}: the third has its own {ALONE} only")

    # Watched through the nodes' own events, so that asking does not slow them down.
    marks = [len(node.events) for node in nodes]
    up = cable(3, True)

    def all_in(node, mark, count):
        def arrived():
            with node.changed:
                return [event for event in node.events[mark:]
                        if event["type"] == "message" and not event["message"]["own"]]
        until(lambda: len(arrived()) >= count, 90, 0.05)
        return arrived()

    came = [all_in(node, mark, count)
            for node, mark, count in zip(nodes, marks, (ALONE, ALONE, together))]
    linked = [event["at"] for event in c.events[marks[2]:] if event["type"] == "link_up"]
    if check([len(events) for events in came] == [ALONE, ALONE, together],
             f"{label}: each is shown every missed message once"):
        last = max(epoch(event["at"]) for events in came for event in events)
        if noticed and linked:
            first = epoch(linked[0])
            say(f"  {label}: first link {first - up:.2f} s after the cable was back")
            figure(f"{label}: all caught up after the first link", last - first, "s", 2)
        # Connections that lived through the cut on one side at least go on when their own timers say so: TCP's
        # and QUIC's resending, up to a minute, or a failed ping. That is stated; only more of it fails.
        figure(f"{label}: all caught up after the cable was back", last - up, "s", 2, slack=35)
    histories = [node.cli("history", CHANNEL, "--limit", "10000") for node in nodes]
    hashes = {digest(history) for history in histories}
    check(len(hashes) == 1, f"{label}: one history hash: {sorted(hashes)[0][:16]}…")
    ids = [entry["id"] for entry in histories[0]]
    check(len(ids) == len(set(ids)) == before + MESSAGES, f"{label}: {len(ids)} messages, none twice")


def main():
    nodes = [Node(1, "Anna"), Node(2, "Ben"), Node(3, "Cleo")]
    for node in nodes:
        node.start()
        node.cli("channel", "create", CHANNEL) if node is nodes[0] else node.cli("channel", "join", CHANNEL)
    for node in nodes:
        for other in nodes:
            if other is not node:
                node.peer("link_up", other)

    say("cut for as long as 500 messages take; the connections are still there:")
    cut_and_heal(nodes, "short", noticed=False)
    say("cut for long enough that the connections are given up:")
    cut_and_heal(nodes, "long", noticed=True)
    for node in nodes:
        node.stop()
        check(not node.panicked(), f"{node.name} did not panic")
    finish()


main()
