"""slixmpp's ComponentXMPP as an echo service, and a slixmpp client that finds it, asks it and talks to it."""

import asyncio
import json
import os
import sys

import slixmpp
from slixmpp.componentxmpp import ComponentXMPP

host, port, component_port, jid, ca_file, name = sys.argv[1:7]
# Not in the arguments: process lists show them.
password, secret = os.environ["TEST_PASSWORD"], os.environ["TEST_SECRET"]
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)


class Echo(ComponentXMPP):
    def __init__(self):
        super().__init__(name, secret, host, int(component_port))
        self.register_plugin("xep_0030")
        self.register_plugin("xep_0092")
        self.register_plugin("xep_0199")
        self["xep_0030"].add_identity(category="component", itype="generic", name="echo")
        self.connected = loop.create_future()
        self.left = loop.create_future()
        self.add_event_handler("session_start", lambda _: self.connected.set_result(True))
        self.add_event_handler("message", self.echo)
        self.add_event_handler("presence_unavailable", self.gone)

    def echo(self, message):
        if message["type"] in ("chat", "normal"):
            message.reply("echo: " + message["body"]).send()

    def gone(self, presence):
        if not self.left.done():
            self.left.set_result(str(presence["from"]))


class Client(slixmpp.ClientXMPP):
    def __init__(self):
        super().__init__(jid, password)
        self.ca_certs = ca_file
        self.register_plugin("xep_0030")
        self.register_plugin("xep_0092")
        self.register_plugin("xep_0199")
        self.started = loop.create_future()
        self.answer = loop.create_future()
        self.add_event_handler("session_start", lambda _: self.started.set_result(True))
        self.add_event_handler("message", self.message)

    def message(self, message):
        if not self.answer.done():
            self.answer.set_result(f"{message['from']} {message['body']}")


async def main():
    echo = Echo()
    echo.connect()
    await asyncio.wait_for(echo.connected, 10)
    client = Client()
    client.connect((host, int(port)))
    await asyncio.wait_for(client.started, 15)
    domain = client.boundjid.domain
    items = await client["xep_0030"].get_items(jid=domain)
    info = await client["xep_0030"].get_info(jid=name)
    version = await client["xep_0092"].get_version(name)
    client.send_message(mto=f"anyone@{name}/here", mbody="grüße & <more>", mtype="chat")
    answer = await asyncio.wait_for(client.answer, 10)
    rtt = await client["xep_0199"].ping(name)
    # The other way: the component asks the server and the client.
    await echo["xep_0199"].ping(domain, ifrom=name)
    of_server = await echo["xep_0030"].get_info(jid=domain, ifrom=f"bot@{name}")
    of_client = await echo["xep_0030"].get_info(jid=client.boundjid.full, ifrom=name)
    client.send_presence(pto=name)
    full = client.boundjid.full
    await client.disconnect()
    left = await asyncio.wait_for(echo.left, 10)
    await echo.disconnect()
    print(
        json.dumps(
            {
                "listed": name in [item[0] for item in items["disco_items"]["items"]],
                "identities": [list(identity)[:2] for identity in info["disco_info"]["identities"]],
                "version": version["software_version"]["name"],
                "answer": answer,
                "pinged": rtt >= 0,
                "server": [list(identity)[:2] for identity in of_server["disco_info"]["identities"]],
                "client": "http://jabber.org/protocol/disco#info" in of_client["disco_info"]["features"],
                "left": left == full,
            }
        ),
        flush=True,
    )


loop.run_until_complete(asyncio.wait_for(main(), 40))
