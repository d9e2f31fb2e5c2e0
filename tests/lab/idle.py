"""See idle.sh."""

import os
import subprocess
import time

from common import BINARY, Node, check, figure, finish, inside, say

SECONDS = int(os.environ.get("IDLE_SECONDS", "60"))
# After the start's announcements.
SETTLE = 10
MIB = 1024 * 1024


class Wakeups:
    """How often any of its threads went to sleep by itself: as often it was woken. Threads come and go."""

    def __init__(self, pid):
        self.pid, self.first, self.last = pid, None, {}
        self.look()
        self.first = dict(self.last)

    def look(self):
        for task in os.listdir(f"/proc/{self.pid}/task"):
            try:
                with open(f"/proc/{self.pid}/task/{task}/status", encoding="ascii") as status:
                    self.last[task] = sum(int(line.split()[1]) for line in status
                                          if line.startswith("voluntary_ctxt"))
            except FileNotFoundError:
                # It has just ended.
                continue

    def total(self):
        self.look()
        return sum(count - self.first.get(task, 0) for task, count in self.last.items())


def traffic(i):
    """Bytes received and sent on a host's interface."""
    out = subprocess.run(inside(i, "cat", "/proc/net/dev"), capture_output=True, text=True, check=True).stdout
    fields = next(line for line in out.splitlines() if "eth0:" in line).split(":")[1].split()
    return int(fields[0]), int(fields[8])


def main():
    # As people run it: a person's log level, no JSON consumer in the way but this one.
    node = Node(1, "Solo", log="warn").start()
    time.sleep(SETTLE)
    woken, wire, begin = Wakeups(node.run.pid), traffic(1), time.monotonic()
    highest = 0
    while time.monotonic() - begin < SECONDS:
        time.sleep(min(5, SECONDS))
        highest = max(highest, node.rss())
        woken.look()
    minutes = (time.monotonic() - begin) / 60
    # Other than memory, these are figures to be stated, not judged: the machine has its part in them.
    say(f"idle for {minutes * 60:.0f} s, {BINARY}:")
    release = "/release/" in BINARY
    figure("resident memory", highest / MIB, "MiB", 25 if release else None, slack=1)
    figure("wake-ups a minute", woken.total() / minutes, "")
    now = traffic(1)
    figure("bytes a minute sent", (now[1] - wire[1]) / minutes, "bytes")
    figure("bytes a minute received", (now[0] - wire[0]) / minutes, "bytes")
    figure("threads", len(os.listdir(f"/proc/{node.run.pid}/task")), "")
    node.stop()
    check(not node.panicked(), "no panic")
    finish()


main()
