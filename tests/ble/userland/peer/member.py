"""Who says and hears something: a pseudonym in one public channel, and the bundles it holds."""
import os

import bundle
from envelope import RECEIPT, Envelope, write_text
from primitives import H, SigningKey, kdf


class Held:
    """A bundle with its numbers of section 6, and what it says if it is of our channel."""

    def __init__(self, data, age_s, lifetime_s, envelope):
        self.data, self.age_s, self.lifetime_s, self.envelope = data, age_s, lifetime_s, envelope
        self.content = H(data)


class Member:
    def __init__(self, channel, name):
        self.channel, self.name = channel, name
        self.author = SigningKey(kdf(os.urandom(32), channel.id, "pseudonym", 32))
        self.device = os.urandom(4)
        self.held = {}

    def heads(self):
        """Of what counts: a few messages of a lab, whose parents are here or are not looked for."""
        here = {held.envelope.id[:16]: held.envelope for held in self.held.values() if held.envelope}
        counting = {}
        for key, each in sorted(here.items(), key=lambda item: item[1].order()):
            parents = [here[p] for p in each.parents if p in here]
            known = len(parents) == len(each.parents)
            follows = all(p.id[:16] in counting for p in parents)
            wrong = known and follows and parents and each.lamport != 1 + max(p.lamport for p in parents)
            if not wrong:
                counting[key] = each
        named = {parent for each in counting.values() if each.type != RECEIPT for parent in each.parents}
        heads = [e for key, e in counting.items() if e.type != RECEIPT and key not in named]
        return sorted(heads, key=Envelope.order)[-4:]

    def say(self, text):
        raw = write_text(self.channel, self.author, self.device, self.heads(), text, self.name)
        return self.keep(bundle.seal(self.channel, raw), 0, bundle.LIFETIME_S)

    def keep(self, data, age_s, lifetime_s):
        """What is held from now on; None if it was held already. Raises Refused for what breaks a rule."""
        content = H(data)
        if content in self.held:
            return None
        raw = bundle.opened(self.channel, data)
        held = Held(data, age_s, lifetime_s, raw and Envelope(raw, self.channel))
        self.held[content] = held
        return held
