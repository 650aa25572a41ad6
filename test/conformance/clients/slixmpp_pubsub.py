"""slixmpp keeps a node: makes it, configures it, publishes, pages, retracts, gives rights, deletes."""

import asyncio
import json
import sys
from xml.etree import ElementTree

import slixmpp
from slixmpp.exceptions import IqError
from slixmpp.plugins.xep_0059.stanza import Set
from slixmpp.plugins.xep_0060.stanza import Pubsub
from slixmpp.xmlstream import register_stanza_plugin

host, port, ca_file, jid, password, friend = sys.argv[1:7]
NODE = "slixmpp-node"


class Client(slixmpp.ClientXMPP):
    def __init__(self):
        super().__init__(jid, password)
        self.ca_certs = ca_file
        for plugin in ("xep_0004", "xep_0030", "xep_0059", "xep_0060"):
            self.register_plugin(plugin)
        # Pages of pubsub are iterated over by the library, once it is told where they stand.
        register_stanza_plugin(Pubsub, Set)
        self.events = asyncio.Queue()
        self.started = asyncio.get_event_loop().create_future()
        self.add_event_handler("session_start", lambda _: self.started.set_result(True))
        self.add_event_handler("pubsub_publish", lambda message: self.on_item(message, "published"))
        self.add_event_handler("pubsub_retract", lambda message: self.on_item(message, "retracted"))

    def on_item(self, message, what):
        items = message["pubsub_event"]["items"]
        item = items["item"] if what == "published" else items["retract"]
        self.events.put_nowait(f"{what} {item['id']}")


def titled(client, title):
    form = client["xep_0004"].make_form(ftype="submit")
    form.add_field(var="FORM_TYPE", ftype="hidden", value="http://jabber.org/protocol/pubsub#node_config")
    form.add_field(var="pubsub#title", value=title)
    return form


async def main():
    client = Client()
    client.connect((host, int(port)))
    await asyncio.wait_for(client.started, 15)
    client.send_presence()
    service = f"pubsub.{client.boundjid.domain}"
    plugin = client["xep_0060"]
    await plugin.create_node(service, NODE, config=titled(client, "first"))
    await plugin.set_node_config(service, NODE, titled(client, "second"))
    form = (await plugin.get_node_config(service, NODE))["pubsub_owner"]["configure"]["form"]
    await plugin.subscribe(service, NODE)
    events = []
    for item_id in "12345":
        payload = ElementTree.Element("{urn:example:entry}entry")
        await plugin.publish(service, NODE, id=item_id, payload=payload)
        events.append(await asyncio.wait_for(client.events.get(), 10))
    pages = []
    iterator = plugin.get_items(service, NODE, iterator=True)
    iterator.amount = 2
    async for page in iterator:
        pages.append([item["id"] for item in page["pubsub"]["items"]])
    await plugin.retract(service, NODE, "2", notify="1")
    events.append(await asyncio.wait_for(client.events.get(), 10))
    await plugin.modify_affiliations(service, NODE, [(friend, "publisher")])
    affiliations = (await plugin.get_node_affiliations(service, NODE))["pubsub_owner"]["affiliations"]
    subscriptions = (await plugin.get_node_subscriptions(service, NODE))["pubsub_owner"]["subscriptions"]
    outcome = {
        "title": form.get_fields()["pubsub#title"]["value"],
        "events": events,
        "pages": pages,
        "affiliations": sorted(f"{entry['jid']} {entry['affiliation']}" for entry in affiliations),
        "subscribers": [f"{entry['jid']} {entry['subscription']}" for entry in subscriptions],
    }
    await plugin.delete_node(service, NODE)
    try:
        await plugin.get_items(service, NODE)
    except IqError as error:
        outcome["gone"] = error.iq["error"]["condition"]
    print(json.dumps(outcome), flush=True)
    await client.disconnect()


asyncio.get_event_loop().run_until_complete(asyncio.wait_for(main(), 40))
