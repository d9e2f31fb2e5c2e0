"""Section 4 of docs/protocol.md: the keys of a public channel; section 7.4: its membership tag."""
import unicodedata

from primitives import as_uuid8, kdf, mac


def canonical(name):
    """The canonical name of a public channel. What must be refused is not looked for: names here are our own."""
    # Simple lower-casing is one character for one; Python's gives more than one only for U+0130.
    lower = "".join(c.lower()[0] for c in unicodedata.normalize("NFKC", name))
    return unicodedata.normalize("NFKC", lower).removeprefix("#")


class PublicChannel:
    EPOCH = 0

    def __init__(self, name):
        fixed = kdf(canonical(name).encode(), b"", "public-channel", 32)
        chain = kdf(fixed, b"", "public-chain", 32)
        self.id = as_uuid8(kdf(fixed, b"", "channel-id", 16))
        self.tag_key = kdf(fixed, b"", "tag-key", 32)
        self.member_key = kdf(fixed, b"", "member-key", 32)
        self.message_key = kdf(chain, b"", "message-key", 32)

    def member_tag(self, role, session_id):
        return mac(self.member_key, b"sovereign/v1/member\0" + bytes([role]) + session_id)[:8]
