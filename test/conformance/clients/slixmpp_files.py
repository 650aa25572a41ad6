"""Two slixmpp clients pass bytes to each other: in band, through the server's SOCKS5 proxy, and as an offered file."""

import asyncio
import hashlib
import json
import os
import sys

import slixmpp
from slixmpp.xmlstream.handler import CoroutineCallback
from slixmpp.xmlstream.matcher import StanzaPath

host, port, alice_jid, bob_jid, ca_file = sys.argv[1:6]
password = os.environ["TEST_PASSWORD"]
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)


class Client(slixmpp.ClientXMPP):
    def __init__(self, jid):
        super().__init__(jid, password)
        self.ca_certs = ca_file
        for plugin in ("xep_0030", "xep_0047", "xep_0065", "xep_0095", "xep_0096"):
            self.register_plugin(plugin)
        self.started = loop.create_future()
        self.shown = loop.create_future()
        self.add_event_handler("session_start", lambda _: self.started.set_result(True))
        self.add_event_handler("presence_available", self.shows)

    def shows(self, presence):
        if presence["from"].bare != self.boundjid.bare and not self.shown.done():
            self.shown.set_result(True)


def digest(data):
    return hashlib.sha256(data).hexdigest()


async def in_band(alice, bob, data, use_messages):
    gathered = loop.create_future()

    async def begun(stream):
        gathered.set_result(await stream.gather(timeout=15))

    bob["xep_0047"].auto_accept = True
    bob.add_event_handler("ibb_stream_start", begun, disposable=True)
    stream = await alice["xep_0047"].open_stream(bob.boundjid.full, use_messages=use_messages)
    await stream.sendall(data)
    await stream.close()
    bob["xep_0047"].auto_accept = False
    return digest(await asyncio.wait_for(gathered, 15)) == digest(data)


async def through_proxy(alice, bob, data):
    received, complete = bytearray(), loop.create_future()

    def got(piece):
        received.extend(piece)
        if len(received) >= len(data) and not complete.done():
            complete.set_result(True)

    bob["xep_0065"].auto_accept = True
    bob.add_event_handler("socks5_data", got)
    stream = await alice["xep_0065"].handshake(bob.boundjid.full, timeout=15)
    await stream.write(data)
    await asyncio.wait_for(complete, 15)
    echoed, back = loop.create_future(), bob["xep_0065"].get_socket(next(iter(bob["xep_0065"]._sessions)))
    alice.add_event_handler("socks5_data", echoed.set_result, disposable=True)
    await back.write(b"thanks")
    proxies = [str(jid) for jid in alice["xep_0065"]._proxies]
    return proxies, digest(bytes(received)) == digest(data), (await asyncio.wait_for(echoed, 10)).decode()


async def offered(alice, bob, data):
    offer, gathered = loop.create_future(), loop.create_future()

    async def begun(stream):
        gathered.set_result(await stream.gather(timeout=15))

    def requested(iq):
        offer.set_result((iq["si"]["file"]["name"], iq["si"]["file"]["size"], iq["si"]["id"]))
        # Sending an answer has nothing to wait for.
        asyncio.ensure_future(
            bob["xep_0095"].accept(iq["from"], iq["si"]["id"], ifrom=bob.boundjid, stream_handler=begun)
        )

    # The plugin hangs its coroutine on a handler that does not await it (slixmpp 1.8.3).
    bob.remove_handler("SI Request")
    handle = bob["xep_0095"]._handle_request
    bob.register_handler(CoroutineCallback("SI Request", StanzaPath("iq@type=set/si"), handle))
    bob.add_event_handler("si_request", requested)
    answer = await alice["xep_0096"].request_file_transfer(
        bob.boundjid.full,
        sid="file1",
        name="grüße.txt",
        size=len(data),
        hash=hashlib.md5(data).hexdigest(),
        # As data forms take options: the plugin hands them on as they are.
        methods=[{"value": "http://jabber.org/protocol/ibb"}],
        timeout=15,
    )
    method = answer["si"]["feature_neg"]["form"].get_fields()["stream-method"]["value"]
    stream = await alice["xep_0047"].open_stream(bob.boundjid.full, sid="file1")
    await stream.sendall(data)
    await stream.close()
    name, size, sid = await offer
    same = digest(await asyncio.wait_for(gathered, 15)) == digest(data)
    return {"name": name, "size": int(size), "sid": sid, "method": method, "same": same}


async def main():
    alice, bob = Client(alice_jid), Client(bob_jid)
    for client in (alice, bob):
        client.connect((host, int(port)))
    await asyncio.wait_for(asyncio.gather(alice.started, bob.started), 20)
    # Each shows itself, so that a server that guards IQs by presence lets them pass. RFC 6121 §8.5.3.1
    alice.send_presence(pto=bob.boundjid.full)
    bob.send_presence(pto=alice.boundjid.full)
    await asyncio.wait_for(asyncio.gather(alice.shown, bob.shown), 10)
    data = os.urandom(40_000)
    outcome = {
        "ibb": await in_band(alice, bob, data, False),
        "ibbMessages": await in_band(alice, bob, data, True),
        "si": await offered(alice, bob, data),
        "s5b": await through_proxy(alice, bob, os.urandom(2_000_000)),
    }
    print(json.dumps(outcome), flush=True)
    await asyncio.gather(alice.disconnect(), bob.disconnect())


loop.run_until_complete(asyncio.wait_for(main(), 50))
