"""Two nodes talk through the generated bindings (decision 18): the API that phones use."""

import asyncio

import pytest
import sovereign_ffi as sovereign

LOOPBACK = ["/ip4/127.0.0.1/tcp/0"]
WAIT = 20


def config(path, name):
    return sovereign.Config(data=str(path), name=name, listen=LOOPBACK, mdns=False)


async def event(node, kind, fits=lambda event: True):
    """The next event of a kind that fits; others are passed over."""

    async def search():
        while True:
            found = await node.next_event()
            assert found is not None, "the node ended"
            if isinstance(found, kind) and fits(found):
                return found

    return await asyncio.wait_for(search(), WAIT)


async def listening(node):
    while not (listen := (await node.status()).listen):
        await event(node, sovereign.SovereignEvent.LISTEN_CHANGED)
    return listen[0]


def run(test):
    asyncio.run(asyncio.wait_for(test, 60))


def test_two_nodes_talk_in_a_private_channel(tmp_path):
    async def talk():
        ana = await sovereign.SovereignNode.start(config(tmp_path / "ana", "Ana"))
        ben = await sovereign.SovereignNode.start(config(tmp_path / "ben", "Ben"))
        channel = await ana.create_channel("walk")
        assert channel.kind == sovereign.ChannelKind.PRIVATE
        await ben.join_channel(await ana.invite(channel.id))
        await ben.dial(await listening(ana))
        await event(ben, sovereign.SovereignEvent.SYNCED)

        sent = await ana.send(channel.id, "we meet at the gate")
        got = await event(ben, sovereign.SovereignEvent.MESSAGE_ARRIVED)
        assert (got.message.id, got.message.text, got.message.name) == (sent.id, "we meet at the gate", "Ana")
        assert not got.message.own
        await event(
            ana,
            sovereign.SovereignEvent.MESSAGE_STATE_CHANGED,
            lambda change: change.state == sovereign.MessageState.DELIVERED,
        )
        [entry] = await ben.history(channel.id, 10)
        assert entry.author == got.message.author == (await ana.status()).identity
        await ana.shutdown()
        await ben.shutdown()

    run(talk())


def test_what_was_said_survives_a_restart(tmp_path):
    async def talk():
        node = await sovereign.SovereignNode.start(config(tmp_path / "a", "Ana"))
        identity = (await node.status()).identity
        channel = await node.create_channel("#square")
        await node.send(channel.id, "first")
        await node.shutdown()
        node = await sovereign.SovereignNode.start(config(tmp_path / "a", None))
        assert (await node.status()).identity == identity
        assert [message.text for message in await node.history("#square", 10)] == ["first"]
        await node.shutdown()

    run(talk())


def test_errors_say_what_to_do(tmp_path):
    async def talk():
        node = await sovereign.SovereignNode.start(config(tmp_path / "a", "Ana"))
        with pytest.raises(sovereign.SovereignError.State) as missing:
            await node.send("#nowhere", "hello")
        assert missing.value.kind == "not_found" and missing.value.hint
        with pytest.raises(sovereign.SovereignError.Invalid):
            await node.join_channel("sovereign:invite/garbage")
        with pytest.raises(sovereign.SovereignError.Store) as held:
            await sovereign.SovereignNode.start(config(tmp_path / "a", "Ben"))
        assert held.value.kind == "held"
        await node.shutdown()
        with pytest.raises(sovereign.SovereignError.Ended):
            await node.status()

    run(talk())
