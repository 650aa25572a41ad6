"""slixmpp over STARTTLS doing its own trade: logs in by its default path, discovers, publishes, is notified, keeps a
contact in its roster."""

import asyncio
import json
import sys
import uuid
from xml.etree import ElementTree

import slixmpp

host, port, jid, password, ca_file = sys.argv[1:6]


class Client(slixmpp.ClientXMPP):
    def __init__(self):
        super().__init__(jid, password)
        self.ca_certs = ca_file
        self.register_plugin("xep_0030")
        self.register_plugin("xep_0060")
        self.register_plugin("xep_0199")
        self.notified = asyncio.get_event_loop().create_future()
        self.outcome = asyncio.get_event_loop().create_future()
        self.add_event_handler("session_start", self.started)
        self.add_event_handler("pubsub_publish", self.published)
        self.add_event_handler("failed_all_auth", lambda _: self.fail("authentication failed"))
        self.add_event_handler("connection_failed", lambda why: self.fail(f"no connection: {why}"))

    def fail(self, text):
        if not self.outcome.done():
            self.outcome.set_exception(RuntimeError(text))

    def published(self, message):
        item = message["pubsub_event"]["items"]["item"]
        if not self.notified.done():
            self.notified.set_result(f"{message['from']} {item['id']} {item['payload'].text}")

    async def started(self, _):
        try:
            self.outcome.set_result(await self.trade())
        except Exception as error:
            self.fail(repr(error))

    async def trade(self):
        self.send_presence()
        domain = self.boundjid.domain
        items = await self["xep_0030"].get_items(jid=domain)
        services = [item[0] for item in items["disco_items"]["items"]]
        pubsub = None
        for service in services:
            info = await self["xep_0030"].get_info(jid=service)
            if any(identity[0] == "pubsub" for identity in info["disco_info"]["identities"]):
                pubsub = service
        node = f"slixmpp-{uuid.uuid4()}"
        plugin = self["xep_0060"]
        await plugin.create_node(pubsub, node)
        await plugin.subscribe(pubsub, node)
        payload = ElementTree.Element("{urn:example:entry}entry")
        payload.text = "grüße & <more>"
        await plugin.publish(pubsub, node, id="one", payload=payload)
        event = await asyncio.wait_for(self.notified, 10)
        items = await plugin.get_items(pubsub, node)
        retrieved = items["pubsub"]["items"]["substanzas"][0]["payload"].text
        rtt = await self["xep_0199"].ping(pubsub)
        await plugin.delete_node(pubsub, node)
        friend = f"friend@{domain}"
        await self.update_roster(friend, name="Freundin", groups=["work"])
        query = (await self.get_roster())["roster"]["items"]
        contact = next(item for jid, item in query.items() if str(jid) == friend)
        return {
            "jid": str(self.boundjid),
            "services": services,
            "event": event.replace(pubsub, "PUBSUB"),
            "retrieved": retrieved,
            "contact": [contact["name"], contact["groups"], contact["subscription"]],
            "pinged": rtt >= 0,
            "errors": [],
        }


async def main():
    client = Client()
    client.connect((host, int(port)))
    outcome = await asyncio.wait_for(client.outcome, 20)
    print(json.dumps(outcome), flush=True)
    await client.disconnect()


asyncio.get_event_loop().run_until_complete(main())
