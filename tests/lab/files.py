"""See files.sh. Every node logs at trace level, and all logs are searched at the end."""

import base64
import os
import shutil
import subprocess
import time

from common import (
    BINARY, DIR, Failed, Node, bad, cable, check, command, figure, finish, forms, occurrences, say, until,
)

PRIVATE, PUBLIC = "quarry-committee", "#bell-tower"
PASSPHRASE = "seven copper kettles whistling"
SPOKEN = []
KEYS = {}
NODES = []


def node(i, name, **more):
    made = Node(i, name, log="trace", **more)
    NODES.append(made)
    return made


def spoken(text):
    SPOKEN.append(text)
    return text


def fails(kind, code, *args, data, **more):
    """A command that must fail: with this kind and exit code, and words for a person."""
    try:
        command(data, *args, **more)
    except Failed as failed:
        good = failed.error["kind"] == kind and failed.code == code
        return check(good and failed.error["message"] and failed.error["hint"],
                     f"`{' '.join(args[:2])}` fails with {failed.error['kind']}, exit {failed.code}: "
                     f"{failed.error['message']}")
    return check(False, f"`{' '.join(args[:2])}` fails with {kind}")


def ids(node, channel):
    return [(entry["id"], entry["text"], entry["lamport"])
            for entry in node.cli("history", channel, "--limit", "10000")]


def export_and_import():
    say("export and import, no network:")
    for i in (1, 2, 3):
        cable(i, False)
    a, b, c = node(1, "Anna").start(), node(2, "Ben").start(), node(3, "Cleo").start()
    link = a.cli("channel", "create", PRIVATE)["link"]
    KEYS["invitation"] = base64.urlsafe_b64decode(link.rsplit("/", 1)[1] + "==")[1:33]
    a.cli("channel", "create", PUBLIC)
    for other in (b, c):
        other.cli("channel", "join", link)
        other.cli("channel", "join", PUBLIC)
    for number in range(10):
        a.cli("send", PRIVATE, spoken(f"stone number {number} stays where it is"))
        a.cli("send", PUBLIC, spoken(f"the bell rings {number} times today"))
    file, one = os.path.join(DIR, "carried"), os.path.join(DIR, "one-channel")
    out = a.cli("export", file)
    check(out["bundles"] >= 20 and out["bytes"] == os.path.getsize(file), f"exported {out}")
    check(a.cli("export", one, "--channel", PUBLIC)["bundles"] < out["bundles"], "one channel is less")
    fails("exists", 1, "export", file, data=a.data)
    blob = open(file, "rb").read()
    check(not any(occurrences(blob, text.encode()) for text in SPOKEN), "the file holds no readable text")
    came = b.cli("import", file)
    check(came["new"] == out["bundles"] and came["declined"] == 0, f"imported {came}")
    again = b.cli("import", file)
    check(again["new"] == 0 and again["known"] == out["bundles"], f"imported again {again}")
    cable(1, True), cable(3, True)
    check(until(lambda: len(ids(c, PRIVATE)) == len(ids(c, PUBLIC)) == 10, 30, 0.2), "Cleo met Anna instead")
    for channel in (PRIVATE, PUBLIC):
        check(ids(a, channel) == ids(b, channel) == ids(c, channel),
              f"{channel}: the import left the same as the meeting")
    broken = os.path.join(DIR, "broken")
    with open(broken, "wb") as out_file:
        out_file.write(blob[:len(blob) // 2] + bytes([blob[len(blob) // 2] ^ 1]) + blob[len(blob) // 2 + 1:])
    fails("bad_file", 1, "import", broken, data=b.data)
    fails("not_found", 1, "import", os.path.join(DIR, "nowhere"), data=b.data)
    cable(1, False), cable(3, False)
    # An import may be one record of the store. What is damaged later must not be all there is.
    for number in range(3):
        b.cli("send", PUBLIC, spoken(f"Ben pulled the rope {number} times"))
    b.stop(), c.stop()
    return a


def backup_restore_wipe(a):
    say("backup, restore, wipe:")
    file = os.path.join(DIR, "backup")
    secret = {"SOVEREIGN_PASSPHRASE": PASSPHRASE}
    fails("not_running", 3, "status", data=os.path.join(DIR, "data-Ben"))
    fails("invalid", 2, "send", data=a.data)
    a.cli("id", "backup", file, env=secret)
    who, channels = a.cli("id", "show"), {channel["id"] for channel in a.cli("channel", "list")}
    second = subprocess.run([BINARY, "--data", a.data, "--json", "--name", "Twin"], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=30)
    check(second.returncode == 4 and '"held"' in second.stderr, "a second node on the directory exits 4")
    check(a.cli("status")["identity"] == who["identity"], "the first is not disturbed by it")
    fails("held", 4, "id", "restore", file, data=a.data, env=secret)
    new = os.path.join(DIR, "data-Restored")
    fails("wrong_passphrase", 1, "id", "restore", file, data=new, env={"SOVEREIGN_PASSPHRASE": "wrong"})
    check(not os.path.exists(new) or not os.listdir(new), "a wrong passphrase leaves nothing behind")
    command(new, "id", "restore", file, env=secret)
    a.stop()
    restored = node(1, "Restored", data=new)
    restored.name = who["name"]
    restored.start()
    now = restored.cli("id", "show")
    check((now["identity"], now["fingerprint"]) == (who["identity"], who["fingerprint"]), "the identity is restored")
    check({channel["id"] for channel in restored.cli("channel", "list")} == channels, "and all channels")
    came = restored.cli("import", os.path.join(DIR, "carried"))
    check(came["new"] > 0 and len(ids(restored, PRIVATE)) == 10, "and can read what was written")
    fails("exists", 1, "id", "restore", file, data=a.data, env=secret)
    KEYS["store key"] = open(os.path.join(new, "store.key"), "rb").read()[-32:]
    restored.cli("id", "wipe", "--yes")
    check(until(lambda: restored.run.poll() is not None, 10), "the wiped node has ended")
    left = os.listdir(new) if os.path.exists(new) else []
    check(not left, f"nothing is left of it: {left}")
    fails("not_found", 1, "id", "wipe", "--yes", data=new)


def full_disk():
    say("a full disk:")
    disk = os.path.join(DIR, "small")
    os.mkdir(disk)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=768k", "none", disk], check=True)
    ballast = os.path.join(disk, "ballast")
    tight = node(2, "Tight", data=os.path.join(disk, "data"))
    tight.start()
    tight.cli("channel", "create", PUBLIC)
    with open(ballast, "wb") as file:
        file.write(bytes(256 << 10))
    stored, refused = [], None
    for number in range(400):
        text = spoken(f"barrel {number} rolls downhill " + "and further " * 250)
        try:
            tight.cli("send", PUBLIC, text)
            stored.append(text)
        except Failed as failed:
            refused = failed
            break
    check(refused and refused.error["kind"] == "disk_full" and refused.code == 1,
          f"after {len(stored)} messages: {refused and refused.error}")
    check(tight.texts(PUBLIC) == stored, "all that was acknowledged can be read, nothing else")
    check(tight.cli("status")["store"]["messages"] == len(stored), "the node still answers")
    os.remove(ballast)
    spoken("there is room again in the cellar")
    room = time.monotonic()

    def goes():
        try:
            return tight.cli("send", PUBLIC, SPOKEN[-1])
        except Failed as failed:
            return None if failed.error["kind"] == "disk_full" else bad(str(failed))
    until(goes, 120, 0.5)
    figure("with room again, it takes messages after", time.monotonic() - room, "s", 30)
    check(tight.texts(PUBLIC) == stored + [SPOKEN[-1]], "it went on without a restart")
    tight.stop()
    tight.start()
    check(tight.texts(PUBLIC) == stored + [SPOKEN[-1]], "and all is there after a restart")
    tight.stop()


def damaged():
    say("a damaged store:")
    data = os.path.join(DIR, "data-Damaged")
    shutil.copytree(os.path.join(DIR, "data-Ben"), data)
    files = [os.path.join(data, name) for name in os.listdir(data)]
    largest = max((file for file in files if os.path.isfile(file)), key=os.path.getsize)
    with open(largest, "r+b") as file:
        file.seek(os.path.getsize(largest) * 3 // 5)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0x10]))
    before = open(largest, "rb").read()
    ill = node(3, "Ill", data=data)
    ill.name = "Ben"
    ill.start()
    check(ill.cli("status")["store"]["read_only"] is True, "it opens, read-only")
    log = open(ill.stderr, errors="replace").read()
    check(any(event["type"] == "warning" for event in ill.events) or "read-only" in log or "damaged" in log,
          "and says so by itself")
    check(len(ids(ill, PRIVATE)) + len(ids(ill, PUBLIC)) > 0, "what is whole can be read")
    fails("read_only", 1, "send", PUBLIC, "no", data=data)
    check(ill.cli("export", os.path.join(DIR, "saved"))["bundles"] > 0, "and exported")
    ill.stop()
    check(open(largest, "rb").read() == before, "nothing was written to it")


def logs():
    say("logs at trace level:")
    KEYS["passphrase"] = PASSPHRASE.encode()
    KEYS["another store key"] = open(os.path.join(DIR, "data-Ben", "store.key"), "rb").read()[-32:]
    blob = b"".join(open(made.stderr, "rb").read() for made in NODES)
    check(len(blob) > 100_000 and b"TRACE" in blob, f"control: they hold {len(blob)} bytes, traces among them")

    def shown(secret):
        return sum(blob.count(form) for form in forms(secret)
                   | {", ".join(map(str, secret)).encode(), "".join(f"\\x{byte:02x}" for byte in secret).encode()})
    texts = sum(shown(text[:60].encode()) for text in SPOKEN)
    check(texts == 0, f"texts of {len(SPOKEN)} messages occur {texts} times")
    for what, secret in KEYS.items():
        count = shown(secret)
        check(count == 0, f"the {what} occurs {count} times")


def main():
    a = export_and_import()
    backup_restore_wipe(a)
    full_disk()
    damaged()
    logs()
    check(not any(made.panicked() for made in NODES), "no panic")
    finish()


main()
