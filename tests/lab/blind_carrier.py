"""See blind_carrier.sh. Two channels at once: a private one, and a public one that B has not joined."""

import base64
import os
import shutil
import signal
import subprocess

from common import (
    DIR, Capture, Node, cable, check, figure, finish, memory, occurrences, read_tree, say, transport_key,
    until,
)

TEXT_PRIVATE = "the heron waits at the seventh weir until dusk"
TEXT_PUBLIC = "turbines at the old mill are turning again tonight"
PRIVATE = "weirkeepers-guild"
PUBLIC = "#millrace-turbines"
AUTHOR = "Aurelia-Quillfeather"


def main():
    a, b, c = Node(1, AUTHOR), Node(2, "Bruno"), Node(3, "Celestine")
    for i in (1, 3):
        cable(i, False)
    # Alone: A makes both channels and writes, C joins by link and by name.
    a.start()
    c.start()
    private = a.cli("channel", "create", PRIVATE)
    public = a.cli("channel", "create", PUBLIC)
    joined = c.cli("channel", "join", private["link"])
    check(joined["id"] == private["id"], "C joined by link while nobody was near")
    c.cli("channel", "join", PUBLIC)
    a.cli("send", PRIVATE, TEXT_PRIVATE)
    a.cli("send", PUBLIC, TEXT_PUBLIC)

    say("phase 1: A and B")
    wire = [Capture(2, "phase1")]
    b.start()
    up = cable(1, True)
    carried = until(lambda: b.cli("status")["store"]["carried_bundles"] >= 2 and
                    a.cli("history", PRIVATE)[0]["state"] == "sent", 30, 0.1)
    check(carried, "B carries what A wrote")
    first_link = a.peer("link_up", b)
    if first_link:
        figure("A and B linked after the cable", (first_link - up) * 1000, "ms")
    author_private = a.cli("history", PRIVATE)[0]["author"]
    author_public = a.cli("history", PUBLIC)[0]["author"]
    identity = a.cli("id", "show")["identity"]
    check(author_public not in (identity, author_private), "A writes under a pseudonym in the public channel")
    memories = {"memory while A is near": memory(b.run.pid)}
    seen_by_b = [event for event in b.events if event["type"] == "message"]
    check(not seen_by_b, "B was shown no message")
    a.stop()
    cable(1, False)
    captures = {"capture with A": wire.pop().stop()}
    b.stop(signal.SIGKILL)
    disks = {"disk after kill -9": read_tree(b.data)}

    say("phase 2: B and C")
    capture = Capture(2, "phase2")
    b.start()
    check(b.cli("status")["store"]["carried_bundles"] >= 2, "B still carries it after kill -9")
    up = cable(3, True)
    for text, what in ((TEXT_PRIVATE, "private"), (TEXT_PUBLIC, "public")):
        at = c.message(text, 30)
        if at:
            figure(f"C reads the {what} text after link-up", at - up, "s", 5)
    memories["memory while C is near"] = memory(b.run.pid)
    if shutil.which("gcore"):
        dump = os.path.join(DIR, "core")
        subprocess.run(["gcore", "-o", dump, str(b.run.pid)], timeout=120,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        core = f"{dump}.{b.run.pid}"
        if os.path.exists(core):
            with open(core, "rb") as content:
                memories["core dump"] = content.read()
    if "core dump" not in memories:
        say("  no gcore: the memory read from /proc stands for the core dump")
    captures["capture with C"] = capture.stop()
    disks["disk at the end"] = read_tree(b.data)
    check(c.texts(PRIVATE) == [TEXT_PRIVATE] and c.texts(PUBLIC) == [TEXT_PUBLIC],
          "C's histories hold it exactly once")

    say("what is found of it at B")
    invitation = private["link"].rsplit("/", 1)[1]
    secrets = {
        "private text": TEXT_PRIVATE.encode(),
        "public text": TEXT_PUBLIC.encode(),
        "part of the private text": TEXT_PRIVATE[10:30].encode(),
        "private channel's name": PRIVATE.encode(),
        "public channel's name": PUBLIC[1:].encode(),
        "private channel's id": bytes.fromhex(private["id"]),
        "public channel's id": bytes.fromhex(public["id"]),
        "invitation": base64.urlsafe_b64decode(invitation + "=" * (-len(invitation) % 4))[1:33],
        "A's identity": bytes.fromhex(identity),
        "A's author key": bytes.fromhex(author_private),
        "A's pseudonym": bytes.fromhex(author_public),
        "A's name": AUTHOR.encode(),
    }
    # The search finds what is there: the same at C, who may have it, and B's own on the wire.
    of_c = memory(c.run.pid)
    for what in ("private text", "public text", "private channel's name", "private channel's id",
                 "A's author key", "A's pseudonym", "A's name"):
        check(occurrences(of_c, secrets[what]) > 0, f"control: {what} is found in C's memory")
    for place, blob in captures.items():
        check(occurrences(blob, transport_key(b.id)) > 0, f"control: B's announcement is found in the {place}")
        check(len(blob) > 5000, f"control: the {place} holds traffic ({len(blob)} bytes)")
    for places in (disks, memories, captures):
        for place, blob in places.items():
            found = {what: occurrences(blob, secret) for what, secret in secrets.items()}
            hits = {what: count for what, count in found.items() if count}
            check(not hits, f"{place} ({len(blob)} bytes): {sum(found.values())} occurrences {hits or ''}")
    for node in (b, c):
        took = node.stop()
        figure(f"{node.name} ended within", took, "s", 2)
    check(not any(node.panicked() for node in (a, b, c)), "no panic")
    finish()


main()
