"""Two slixmpp clients: a tune is heard by who wants it, told again to who comes later; what is private stays so."""

import asyncio
import json
import sys

import slixmpp
from slixmpp.exceptions import IqError
from slixmpp.plugins.xep_0118 import UserTune

host, port, ca_file, password, alice_jid, bob_jid = sys.argv[1:7]


class Client(slixmpp.ClientXMPP):
    def __init__(self, jid):
        super().__init__(jid, password)
        self.ca_certs = ca_file
        # Whoever asks is let, and asked back: presence both ways.
        self.auto_authorize = True
        self.auto_subscribe = True
        for plugin in ("xep_0030", "xep_0060", "xep_0115", "xep_0163", "xep_0118", "xep_0222", "xep_0223"):
            self.register_plugin(plugin)
        self.tunes = asyncio.Queue()
        self.seen = asyncio.Queue()
        self.started = asyncio.get_event_loop().create_future()
        self.add_event_handler("session_start", lambda _: self.started.set_result(True))
        self.add_event_handler("user_tune_publish", self.on_tune)
        self.add_event_handler("got_online", lambda stanza: self.seen.put_nowait(stanza["from"].bare))

    def on_tune(self, message):
        tune = message["pubsub_event"]["items"]["item"]["tune"]
        self.tunes.put_nowait([message["from"].full, tune["title"]])

    async def online(self):
        self.connect((host, int(port)))
        await asyncio.wait_for(self.started, 15)
        await self.get_roster()
        await self["xep_0115"].update_caps(broadcast=False)
        self.send_presence()

    async def tune(self):
        return await asyncio.wait_for(self.tunes.get(), 10)


async def main():
    alice, bob = Client(alice_jid), Client(bob_jid)
    await alice.online()
    await bob.online()
    info = await alice["xep_0030"].get_info(jid=alice_jid)
    identities = sorted(f"{category}/{kind}" for category, kind, _, _ in info["disco_info"]["identities"])

    alice.send_presence_subscription(bob_jid, ptype="subscribe")
    while await asyncio.wait_for(alice.seen.get(), 10) != bob_jid:
        pass
    while await asyncio.wait_for(bob.seen.get(), 10) != alice_jid:
        pass

    await alice["xep_0118"].publish_tune(artist="Finzi", title="Introduction")
    heard = [await alice.tune(), await bob.tune()]

    await bob.disconnect()
    await alice["xep_0118"].publish_tune(artist="Finzi", title="Eclogue")
    await alice.tune()
    again = Client(bob_jid)
    await again.online()
    heard.append(await again.tune())

    secret = UserTune()
    secret["title"] = "mine alone"
    await alice["xep_0223"].store(secret, node="urn:example:private", id="one")
    stored = await alice["xep_0223"].retrieve("urn:example:private")
    kept = [item["payload"].findtext(f"{{{UserTune.namespace}}}title") for item in stored["pubsub"]["items"]]
    try:
        await again["xep_0060"].get_items(alice_jid, "urn:example:private")
        refused = "no"
    except IqError as error:
        refused = error.iq["error"]["condition"]
    public = UserTune()
    public["title"] = "for friends"
    await alice["xep_0222"].store(public, node="urn:example:public", id="one")
    nodes = await again["xep_0030"].get_items(jid=alice_jid)
    shown = sorted(node for _, node, _ in nodes["disco_items"]["items"])
    await alice.disconnect()
    await again.disconnect()
    print(json.dumps({"identities": identities, "heard": heard, "kept": kept, "refused": refused, "shown": shown}))


asyncio.get_event_loop().run_until_complete(asyncio.wait_for(main(), 50))
