"""Section 12 of docs/protocol.md without a clock or a radio: frames and times in, frames and bytes out.

This end hands on what has come at once, so its credit is always the whole window. Times are seconds.
"""
import struct

WINDOW = 120
MOST = 495
BEHIND = 1024
WAITING, UNDER_WAY = 1024, 24_576
COALESCE = 0.005
DATA, LAST, ACK, RESET = range(4)
BROKEN, TIMED_OUT = 1, 2


class Broken(ConnectionError):
    """The stream has ended by a Reset, the other side's or our own."""


class Refused(ValueError):
    pass


def near(number, around):
    """The whole number nearest to `around` of which 16 bits were sent."""
    return around + ((number - around + 0x8000) & 0xFFFF) - 0x8000


def parse(frame):
    """(kind, number, ack, asked, payload); ack is (next, credit, offsets of those that came early)."""
    if not 1 <= len(frame) <= MOST:
        raise Refused("length")
    kind, has_ack, asked, n = frame[0] >> 6, frame[0] >> 5 & 1, frame[0] >> 4 & 1, frame[0] & 15
    if kind == RESET:
        if len(frame) != 2 or frame[0] & 0x3F:
            raise Refused("malformed")
        return kind, None, None, False, frame[1:]
    at, number, ack = 1, None, None
    if kind != ACK:
        number, at = int.from_bytes(frame[1:3], "big"), 3
        if len(frame) < 3:
            raise Refused("malformed")
    if has_ack:
        block = frame[at : at + 3 + n]
        bitmap = int.from_bytes(block[3:], "little")
        if len(block) != 3 + n or block[2] > WINDOW or n and not block[-1] or bitmap >> WINDOW - 1:
            raise Refused("malformed")
        early = [1 + i for i in range(WINDOW - 1) if bitmap >> i & 1]
        ack, at = (int.from_bytes(block[:2], "big"), block[2], early), at + 3 + n
    payload = frame[at:]
    if not has_ack and (n or kind == ACK) or kind == ACK and payload or kind == DATA and not payload:
        raise Refused("malformed")
    return kind, number, ack, bool(asked), payload


class Sent:
    def __init__(self, kind, payload):
        self.kind, self.payload = kind, payload
        self.times = []  # (number of the transmission, when, how many later ones had been seen to arrive)
        self.lost = False


class Stream:
    def __init__(self, max_frame, now):
        self.max_frame = min(max_frame, MOST)
        self.began = now
        self.heard = False
        self.refused = 0
        self.dead = None
        # Sending
        self.waiting, self.waits_since = bytearray(), now
        self.next_number, self.allowed = 0, WINDOW
        self.sent = {}
        self.transmissions, self.seen = 0, -1
        self.smoothed = self.variation = self.latest = self.least = None
        self.overtaken, self.slowest = 4, 0.0
        self.probes, self.progress, self.quiet_since = 0, now, now
        self.last_asked = -100
        self.closing = self.closed = False
        # Receiving
        self.expected, self.early, self.readable = 0, {}, bytearray()
        self.ended = False
        self.news, self.due = 0, None

    # What comes in

    def handle(self, frame, now):
        if self.dead:
            return []
        try:
            kind, number, ack, asked, payload = parse(frame)
            if kind == RESET:
                self.dead = f"reset by the other side: {payload[0]}"
                return []
            if number is not None:
                number = near(number, self.expected)
                if not max(0, self.expected - BEHIND) <= number < self.expected + WINDOW:
                    raise Refused("window")
                if self.ended and number >= self.expected:
                    raise Refused("after_last")
            if ack:
                self.acknowledged(ack, now)
        except Refused:
            self.refused += 1
            return self.give_up(BROKEN) if self.refused > 16 else []
        self.heard = True
        if number is not None:
            self.arrived(kind, number, payload, now)
        if asked or kind == LAST:
            self.due = now
        return []

    def arrived(self, kind, number, payload, now):
        if number < self.expected or number in self.early:
            self.due = min(self.due or now + 0.04, now + 0.04)
            return
        self.early[number] = kind, payload
        while self.expected in self.early:
            kind, payload = self.early.pop(self.expected)
            self.readable += payload
            self.expected += 1
            self.ended |= kind == LAST
        self.news += 1
        wait, most = (0.04, 8) if self.early else (0.1, 16)
        self.due = min(self.due or now + wait, now + wait) if self.news < most else now

    def acknowledged(self, ack, now):
        first = next(iter(self.sent), self.next_number)
        upto = near(ack[0], first)
        named = [upto + i for i in ack[2]]
        if not first - BEHIND <= upto <= self.next_number or named and named[-1] >= self.next_number:
            raise Refused("unsent")
        self.allowed = max(self.allowed, upto + ack[1])
        fresh = [n for n in self.sent if n < upto or n in named]
        newest = None
        for number in fresh:
            sent = self.sent.pop(number)
            index, when, overtaken_by = sent.times[-1]
            repeat_answered_late = self.least is not None and now - when >= 0.75 * self.least
            if len(sent.times) == 1:
                if index < self.seen:
                    self.was_only_late(self.seen - index, now - when)
                if newest is None or index > newest[0]:
                    newest = index, when
            else:
                if newest is None or index > newest[0]:
                    newest = index, None
                if not repeat_answered_late:
                    self.was_only_late(overtaken_by, now - sent.times[-2][1])
        if not fresh:
            return
        self.seen = max(self.seen, newest[0])
        if newest[1] is not None:
            self.measured(now - newest[1])
        self.probes, self.progress, self.quiet_since = 0, now, now

    def was_only_late(self, by, took):
        self.overtaken = max(self.overtaken, min(by + 1, 24))
        self.slowest = max(self.slowest, took)

    def measured(self, latest):
        self.latest = latest
        if self.smoothed is None:
            self.smoothed, self.variation, self.least = latest, latest / 2, latest
            return
        self.variation = 0.75 * self.variation + 0.25 * abs(self.smoothed - latest)
        self.smoothed = 0.875 * self.smoothed + 0.125 * latest
        self.least = min(self.least, latest)

    def read(self):
        data, self.readable = bytes(self.readable), bytearray()
        return data

    # What goes out

    def has_room(self):
        return len(self.waiting) < WAITING

    def write(self, data, now):
        if not self.waiting:
            self.waits_since = now
        self.waiting += data

    def close(self):
        self.closing = True

    def is_done(self):
        return self.closed and not self.sent and self.ended

    def poll(self, now):
        """Frames to be sent now."""
        if self.dead:
            return []
        out = []
        if not self.heard and now - self.began >= 10:
            return self.give_up(TIMED_OUT)
        if self.sent and now - self.progress >= 20:
            return self.give_up(TIMED_OUT)
        for number, sent in self.sent.items():
            lost_at = self.lost_at(sent)
            if lost_at is not None and now >= lost_at:
                sent.lost = True
        for number, sent in self.sent.items():
            if sent.lost:
                out.append(self.transmit(number, sent, False, now))
        while (payload := self.cut(now)) is not None:
            out.append(self.first_time(DATA, payload, now))
        if self.closing and not self.closed and not self.waiting and self.next_number < self.allowed:
            self.closed = True
            out.append(self.first_time(LAST, b"", now))
        probe_at = self.probe_at()
        if probe_at is not None and now >= probe_at:
            self.probes, self.quiet_since = self.probes + 1, now
            if self.sent:
                number, sent = next(iter(self.sent.items()))
                out.append(self.transmit(number, sent, True, now))
            else:
                out.append(self.ack_alone(True))
        if self.due is not None and now >= self.due:
            out.append(self.ack_alone(False))
        return out

    def deadline(self):
        """When to poll again, at the latest."""
        times = [self.due, self.probe_at()]
        times += [self.lost_at(sent) for sent in self.sent.values()]
        if self.waiting and self.next_number < self.allowed:
            times.append(self.waits_since + COALESCE)
        if not self.heard:
            times.append(self.began + 10)
        if self.sent:
            times.append(self.progress + 20)
        return min((time for time in times if time is not None), default=None)

    def cut(self, now):
        under_way = sum(len(sent.payload) for sent in self.sent.values())
        full = self.max_frame - 3
        enough = len(self.waiting) >= full or self.waiting and (now >= self.waits_since + COALESCE or self.closing)
        if not enough or self.next_number >= self.allowed or under_way + min(full, len(self.waiting)) > UNDER_WAY:
            return None
        payload = bytes(self.waiting[:full])
        del self.waiting[:full]
        self.waits_since = now
        return payload

    def first_time(self, kind, payload, now):
        number, self.next_number = self.next_number, self.next_number + 1
        sent = Sent(kind, payload)
        if not self.sent:
            self.progress = now
        tail = not self.waiting and len(self.sent) >= 8 and self.transmissions - self.last_asked > 16
        self.sent[number] = sent
        return self.transmit(number, sent, kind == LAST or tail, now)

    def transmit(self, number, sent, asked, now):
        index, self.transmissions = self.transmissions, self.transmissions + 1
        overtaken_by = self.seen - sent.times[-1][0] if sent.times else 0
        sent.times.append((index, now, overtaken_by))
        sent.lost, self.quiet_since = False, now
        if asked:
            self.last_asked = index
        ack = self.acknowledgement() if self.news or self.due is not None else b""
        if 3 + len(ack) + len(sent.payload) > self.max_frame:
            ack = b""
        if ack:
            self.news, self.due = 0, None
        return self.first_byte(sent.kind, ack, asked) + struct.pack(">H", number & 0xFFFF) + ack + sent.payload

    def ack_alone(self, asked):
        self.news, self.due = 0, None
        ack = self.acknowledgement()
        return self.first_byte(ACK, ack, asked) + ack

    @staticmethod
    def first_byte(kind, ack, asked):
        return bytes([kind << 6 | bool(ack) << 5 | asked << 4 | (len(ack) - 3 if ack else 0)])

    def acknowledgement(self):
        bits = sum(1 << number - self.expected - 1 for number in self.early)
        bitmap = bits.to_bytes((bits.bit_length() + 7) // 8, "little")
        return struct.pack(">HB", self.expected & 0xFFFF, WINDOW) + bitmap

    def lost_at(self, sent):
        index, when, _ = sent.times[-1]
        if self.seen < index or self.smoothed is None:
            return None
        if self.seen - index >= self.overtaken:
            return when
        wait = 9 / 8 * max(self.smoothed, self.latest) + 0.01
        if self.waiting:
            wait = max(wait, self.slowest)
        return when + min(wait, self.first_probe())

    def first_probe(self):
        return 0.5 if self.smoothed is None else self.smoothed + max(4 * self.variation, 0.01) + 0.1

    def probe_at(self):
        stuck = self.waiting and self.next_number >= self.allowed
        if not self.sent and not stuck:
            return None
        return self.quiet_since + min(self.first_probe() * 2**self.probes, max(1.0, self.first_probe()))

    def give_up(self, reason):
        self.dead = f"given up: {reason}"
        self.sent.clear()
        self.waiting.clear()
        return [bytes([RESET << 6, reason])]
