"""What the labs share: nodes in the network namespaces that tests/netns/lab.sh made, and figures.

Python's standard library only. A lab is `NAME.sh`, which makes the network and always takes it down,
and `NAME.py`, which is this file's user. Every wait has an end.
"""

import base64
import datetime
import json
import os
import signal
import subprocess
import sys
import threading
import time

BINARY = os.path.realpath(os.environ.get("SOVEREIGN_BIN", "target/release/sovereign"))
NAME = os.environ.get("LAB_NAME", "")
DIR = os.environ.get("LAB_DIR", "")
# Wall times are judged at this multiple of the target, so that a busy machine does not fail a lab.
SLACK = 4
WAIT = 30.0

_failed = []


def say(text):
    print(text, flush=True)


def bad(text):
    _failed.append(text)
    print(f"FAILED: {text}", flush=True)


def check(good, text):
    """A fact that holds or fails the lab."""
    say(f"  {text}: ok") if good else bad(text)
    return good


def figure(what, value, unit, target=None, slack=SLACK):
    """Prints a figure; above `target * slack` it fails the lab."""
    shown = f"{value:.0f}" if unit in ("ms", "bytes") else f"{value:.2f}".rstrip("0").rstrip(".")
    aim = "" if target is None else f" (target <= {target:g} {unit})"
    over = "" if target is None or value <= target else " MISSED"
    say(f"  {what}: {shown} {unit}{aim}{over}")
    if target is not None and value > target * slack:
        bad(f"{what}: {shown} {unit}, more than {target * slack:g}")


def finish():
    """Ends the lab with its exit code."""
    for text in _failed:
        print(f"FAILED: {text}", file=sys.stderr)
    sys.exit(1 if _failed else 0)


def median(values):
    return sorted(values)[len(values) // 2]


def epoch(at):
    """RFC 3339 as seconds since 1970."""
    return datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp()


def until(test, seconds=WAIT, pause=0.02):
    """Asks until it is true; what it said last."""
    end = time.monotonic() + seconds
    while True:
        result = test()
        if result or time.monotonic() > end:
            return result
        time.sleep(pause)


def namespace(i):
    return f"{NAME}-{i}"


def inside(i, *command):
    """A command line that runs in namespace i."""
    return ["ip", "netns", "exec", namespace(i), *command]


def cable(i, up):
    """Plugs host i in or out at the switch; when it was done, seconds since 1970."""
    state = "up" if up else "down"
    subprocess.run(["ip", "-n", f"{NAME}-sw", "link", "set", f"p{i}", state], check=True)
    return time.time()


class Failed(Exception):
    """A command's exit code was not 0."""

    def __init__(self, code, error):
        super().__init__(f"exit {code}: {error}")
        self.code = code
        try:
            self.error = json.loads(error.strip().splitlines()[-1])["error"]
        except (ValueError, KeyError, IndexError):
            self.error = {"kind": None, "message": error, "hint": ""}


def command(data, *args, env=None, timeout=60):
    """`sovereign --json ARGS` on a data directory; its one document."""
    done = subprocess.run(
        [BINARY, "--data", data, "--json", *args],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
        env={**os.environ, **(env or {})},
    )
    if done.returncode:
        raise Failed(done.returncode, done.stderr)
    return json.loads(done.stdout)


class Node:
    """A node in a namespace. What it says is read as it comes."""

    def __init__(self, i, name, data=None, flags=(), log="info"):
        self.i, self.name, self.flags, self.log = i, name, list(flags), log
        self.data = data or os.path.join(DIR, f"data-{name}")
        self.stderr = os.path.join(DIR, f"{name}.stderr")
        self.run = None
        self.events = []

    def start(self, wait=True):
        self.events = []
        self.changed = threading.Condition()
        with open(self.stderr, "ab") as stderr:
            self.began = time.time()
            self.run = subprocess.Popen(
                inside(self.i, BINARY, "--data", self.data, "--name", self.name, "--json",
                       "--log", self.log, *self.flags),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
            )
        threading.Thread(target=self._read, args=(self.run.stdout,), daemon=True).start()
        if wait:
            self.started()
        return self

    def _read(self, out):
        for line in out:
            event = json.loads(line)
            with self.changed:
                self.events.append(event)
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def await_event(self, test, seconds=WAIT, what="an event"):
        """The first event, from the start on, for which the test holds; None in vain, which fails the lab."""
        end = time.monotonic() + seconds
        seen = 0
        with self.changed:
            while True:
                for event in self.events[seen:]:
                    if test(event):
                        return event
                seen = len(self.events)
                left = end - time.monotonic()
                if left <= 0 or (self.run.poll() is not None and seen == len(self.events)):
                    break
                self.changed.wait(min(left, 0.5))
        if self.run.poll() is not None:
            with open(self.stderr, errors="replace") as stderr:
                bad(f"{self.name} ended with code {self.run.returncode}: {stderr.read()[-600:]}")
        bad(f"{self.name} waited {seconds:g} s in vain for {what}")
        return None

    def started(self):
        event = self.await_event(lambda e: e["type"] == "started", what="its start")
        if event is None:
            finish()
        self.id = event["transport_id"]
        return event

    def peer(self, kind, other, seconds=WAIT):
        """When this node first said `kind` of another, seconds since 1970; None in vain."""
        def fits(event):
            peer = event.get("peer", event)
            return event["type"] == kind and peer.get("transport_id") == other.id
        event = self.await_event(fits, seconds, f"{kind} {other.name}")
        return event and epoch(event["at"])

    def message(self, text, seconds=WAIT):
        """When a text arrived here, seconds since 1970; None in vain."""
        event = self.await_event(
            lambda e: e["type"] == "message" and e["message"]["text"] == text,
            seconds, f"the text {text[:40]!r}")
        return event and epoch(event["at"])

    def cli(self, *args, **more):
        return command(self.data, *args, **more)

    def texts(self, channel):
        return [entry["text"] for entry in self.cli("history", channel, "--limit", "10000")]

    def stop(self, sign=signal.SIGINT, seconds=20):
        """Ends it; how long that took, in seconds."""
        begin = time.monotonic()
        self.run.send_signal(sign)
        try:
            self.run.wait(seconds)
        except subprocess.TimeoutExpired:
            bad(f"{self.name} did not end within {seconds} s of signal {sign}")
            self.run.kill()
            self.run.wait()
        return time.monotonic() - begin

    def rss(self):
        """Resident memory, bytes."""
        with open(f"/proc/{self.run.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0

    def panicked(self):
        with open(self.stderr, "rb") as stderr:
            return b"panicked" in stderr.read()


def forms(secret):
    """A secret (bytes) as it may show up: raw, hex, base64 at each of its three alignments, UTF-16."""
    found = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    for skip in range(3):
        # Digits that depend on neighbours are cut off.
        whole = base64.b64encode(bytes(skip) + secret)
        first = (skip * 8 + 5) // 6
        last = (skip + len(secret)) * 8 // 6
        inner = whole[first:last]
        found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    try:
        text = secret.decode("utf-8")
        found |= {text.encode("utf-16-le"), text.lower().encode(), text.upper().encode()}
    except UnicodeDecodeError:
        pass
    return found


def occurrences(blob, secret):
    """How often any form of a secret is in a blob."""
    return sum(blob.count(form) for form in forms(secret))


def transport_key(peer_id):
    """The Ed25519 key (32 bytes) in a PeerId: base58 of an identity multihash over a short protobuf."""
    number = 0
    for digit in peer_id:
        number = number * 58 + "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".index(digit)
    return number.to_bytes(38, "big")[-32:]


def read_tree(path):
    """All files below a directory, names included, as one blob."""
    parts = []
    for folder, _, names in os.walk(path):
        for name in names:
            file = os.path.join(folder, name)
            parts.append(file.encode())
            if os.path.isfile(file):
                with open(file, "rb") as content:
                    parts.append(content.read())
    return b"\0".join(parts)


def memory(pid):
    """All that a process may read of its own memory: more than a core dump holds."""
    parts = []
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps, \
            open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in maps:
            span, rights = line.split()[:2]
            if "r" not in rights or line.rstrip().endswith(("[vvar]", "[vsyscall]", "[vvar_vclock]")):
                continue
            begin, end = (int(part, 16) for part in span.split("-"))
            while begin < end:
                size = min(end - begin, 16 << 20)
                try:
                    parts.append(os.pread(mem.fileno(), size, begin))
                except OSError:
                    # A page that cannot be read, such as a guard.
                    pass
                begin += size
    return b"".join(parts)


class Capture:
    """tcpdump on a namespace's interface, into a file."""

    def __init__(self, i, name, what=()):
        self.file = os.path.join(DIR, f"{name}.pcap")
        self.log = open(os.path.join(DIR, f"{name}.tcpdump"), "wb+")
        self.run = subprocess.Popen(
            inside(i, "tcpdump", "-i", "eth0", "-s", "0", "--immediate-mode", "-U", "-w", self.file, "-Z", "root", *what),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log)
        log = os.path.join(DIR, f"{name}.tcpdump")
        if not until(lambda: b"listening on" in open(log, "rb").read(), 10):
            bad("tcpdump does not run: " + open(log, errors="replace").read())

    def stop(self):
        """The capture so far, after its end."""
        time.sleep(0.2)  # for packets on their way from the kernel
        self.run.send_signal(signal.SIGINT)
        self.run.wait(10)
        self.log.close()
        with open(self.file, "rb") as content:
            return content.read()
