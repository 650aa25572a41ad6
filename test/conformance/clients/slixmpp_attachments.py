"""Two slixmpp clients: one reacts to what the other posted, and both hear what became of it. XEP-0470 by XEP-0060 alone."""

import asyncio
import json
import sys
from urllib.parse import quote
from xml.etree import ElementTree

import slixmpp
from slixmpp.exceptions import IqError

host, port, ca_file, password, alice_jid, bob_jid = sys.argv[1:7]
NODE = "urn:example:blog/notes"
NS = "urn:xmpp:pubsub-attachments:1"
SUMMARY = "urn:xmpp:pubsub-attachments:summary:1"


class Client(slixmpp.ClientXMPP):
    def __init__(self, jid):
        super().__init__(jid, password)
        self.ca_certs = ca_file
        for plugin in ("xep_0004", "xep_0030", "xep_0060"):
            self.register_plugin(plugin)
        self.events = asyncio.Queue()
        self.started = asyncio.get_event_loop().create_future()
        self.add_event_handler("session_start", lambda _: self.started.set_result(True))
        self.add_event_handler("pubsub_publish", self.on_item)

    def on_item(self, message):
        item = message["pubsub_event"]["items"]["item"]
        self.events.put_nowait([item["id"], told(item["payload"])])

    async def online(self):
        self.connect((host, int(port)))
        await asyncio.wait_for(self.started, 15)
        self.send_presence()


def told(summary):
    noticed = summary.find(f"{{{SUMMARY}}}noticed")
    reactions = summary.iter(f"{{{SUMMARY}}}reaction")
    counts = {reaction.text: int(reaction.get("count", 1)) for reaction in reactions}
    return [0 if noticed is None else int(noticed.get("count")), counts]


def attachments(noticed, *reactions):
    payload = ElementTree.Element(f"{{{NS}}}attachments")
    if noticed:
        ElementTree.SubElement(payload, f"{{{NS}}}noticed")
    group = ElementTree.SubElement(payload, f"{{{NS}}}reactions")
    for reaction in reactions:
        ElementTree.SubElement(group, f"{{{NS}}}reaction").text = reaction
    return payload


async def main():
    alice, bob = Client(alice_jid), Client(bob_jid)
    await alice.online()
    await bob.online()
    info = await bob["xep_0030"].get_info(jid=f"pubsub.{bob.boundjid.domain}")
    form = alice["xep_0004"].make_form(ftype="submit")
    form.add_field(var="FORM_TYPE", ftype="hidden", value="http://jabber.org/protocol/pubsub#node_config")
    form.add_field(var="pubsub#access_model", value="open")
    form.add_field(var="pubsub#publish_model", value="open")
    await alice["xep_0060"].create_node(alice_jid, NODE, config=form)
    await alice["xep_0060"].publish(alice_jid, NODE, id="first", payload=ElementTree.Element("{urn:example:blog}post"))

    # As the library of the language quotes, which leaves the slash.
    node = f"{NS}/xmpp:{alice_jid}?;node={quote(NODE)};item=first"
    try:
        await bob["xep_0060"].create_node(alice_jid, node)
        made = "yes"
    except IqError as error:
        made = error.iq["error"]["condition"]
    await bob["xep_0060"].publish(alice_jid, node, id=bob_jid, payload=attachments(True, "👷"))
    await alice["xep_0060"].subscribe(alice_jid, f"{SUMMARY}/{NODE}")
    await bob["xep_0060"].publish(alice_jid, node, id=bob_jid, payload=attachments(True, "👷", "🔨"))
    await alice["xep_0060"].publish(alice_jid, node, id=alice_jid, payload=attachments(False, "🔨"))
    heard = [await asyncio.wait_for(alice.events.get(), 10) for _ in range(2)]
    kept = await bob["xep_0060"].get_items(alice_jid, node)
    summaries = await bob["xep_0060"].get_items(alice_jid, f"{SUMMARY}/{NODE}")
    await bob["xep_0060"].retract(alice_jid, node, bob_jid)
    heard.append(await asyncio.wait_for(alice.events.get(), 10))
    await alice.disconnect()
    await bob.disconnect()
    outcome = {
        "advertised": NS in info["disco_info"]["features"],
        "made": made,
        "heard": heard,
        "kept": [item["id"] for item in kept["pubsub"]["items"]],
        "summaries": [[item["id"], told(item["payload"])] for item in summaries["pubsub"]["items"]],
    }
    print(json.dumps(outcome))


asyncio.get_event_loop().run_until_complete(asyncio.wait_for(main(), 50))
