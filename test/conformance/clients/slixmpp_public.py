"""Two slixmpp clients: one subscribes by her account and lets others know, the other follows who is subscribed."""

import asyncio
import json
import sys
import xml.etree.ElementTree as ET

import slixmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

host, port, ca_file, password, alice_jid, bob_jid, service = sys.argv[1:8]

PAM = "urn:xmpp:pam:0"
PPS = "urn:xmpp:pps:0"
PUBSUB = "http://jabber.org/protocol/pubsub"
NODE = "slixmpp-news"
SUBSCRIBERS = f"urn:xmpp:pps:subscribers:0/{NODE}"
SUBSCRIPTIONS = "urn:xmpp:pps:subscriptions:0"


class Client(slixmpp.ClientXMPP):
    def __init__(self, jid):
        super().__init__(jid, password)
        self.ca_certs = ca_file
        for plugin in ("xep_0030", "xep_0060", "xep_0115"):
            self.register_plugin(plugin)
        self["xep_0030"].add_feature(PAM)
        self.events = asyncio.Queue()
        self.notices = asyncio.Queue()
        self.started = asyncio.get_event_loop().create_future()
        self.add_event_handler("session_start", lambda _: self.started.set_result(True))
        self.add_event_handler("pubsub_publish", lambda m: self.note("published", m))
        self.add_event_handler("pubsub_retract", lambda m: self.note("retracted", m))
        self.register_handler(
            Callback("notify", MatchXPath(f"{{{self.default_ns}}}message/{{{PAM}}}notify"), self.on_notify)
        )

    def note(self, what, message):
        items = message["pubsub_event"]["items"]
        self.events.put_nowait([what, items["node"], next(iter(items))["id"]])

    def on_notify(self, message):
        notify = message.xml.find(f"{{{PAM}}}notify")
        subscription = notify.find(f"{{{PUBSUB}}}subscription")
        self.notices.put_nowait([notify.get("service"), subscription.get("node"), subscription.get("subscription")])

    async def online(self):
        self.connect((host, int(port)))
        await asyncio.wait_for(self.started, 15)
        await self["xep_0115"].update_caps(broadcast=False)
        self.send_presence()

    async def by_account(self, what):
        pam = ET.Element(f"{{{PAM}}}pam", {"jid": service})
        action = ET.SubElement(pam, f"{{{PUBSUB}}}{what}", {"node": NODE, "jid": self.boundjid.bare})
        if what == "subscribe":
            ET.SubElement(action, f"{{{PPS}}}public")
        iq = self.make_iq_set(sub=pam)
        await iq.send(timeout=10)

    async def listed(self):
        iq = self.make_iq_get()
        iq.append(ET.Element(f"{{{PAM}}}subscriptions"))
        answer = await iq.send(timeout=10)
        found = answer.xml.find(f"{{{PAM}}}subscriptions")
        return [[each.get("service"), each.get("node")] for each in found]


async def payloads(client, jid, node):
    answer = await client["xep_0060"].get_items(jid, node)
    return [[item["id"], item["payload"].get("jid")] for item in answer["pubsub"]["items"]]


async def next_of(queue):
    return await asyncio.wait_for(queue.get(), 10)


async def main():
    alice, bob = Client(alice_jid), Client(bob_jid)
    await alice.online()
    await bob.online()
    await alice["xep_0060"].create_node(service, NODE)
    await bob["xep_0060"].subscribe(service, SUBSCRIBERS)
    await alice.by_account("subscribe")
    notices = [await next_of(alice.notices)]
    heard = [await next_of(bob.events)]
    listed = await alice.listed()
    shown = await payloads(bob, service, SUBSCRIBERS) + await payloads(bob, alice_jid, SUBSCRIPTIONS)
    await alice.by_account("unsubscribe")
    notices.append(await next_of(alice.notices))
    heard.append(await next_of(bob.events))
    gone = await payloads(bob, alice_jid, SUBSCRIPTIONS)
    await alice["xep_0060"].delete_node(service, NODE)
    await alice.disconnect()
    await bob.disconnect()
    print(json.dumps({"notices": notices, "heard": heard, "listed": listed, "shown": shown, "gone": gone}))


asyncio.get_event_loop().run_until_complete(asyncio.wait_for(main(), 50))
