"""slixmpp with its xep_0198: takes messages over as many connections as it needs, until one says that it is the last.

It only listens: slixmpp 1.8.3 forgets what it sent unacknowledged when it sends <resume/>.
"""

import asyncio
import json
import sys

import slixmpp

host, port, jid, password, ca_file = sys.argv[1:6]


class Client(slixmpp.ClientXMPP):
    def __init__(self):
        super().__init__(f"{jid}/echo", password)
        self.ca_certs = ca_file
        self.register_plugin("xep_0198")
        self.received = []
        self.resumed = 0
        self.online = 0
        self.outcome = asyncio.get_event_loop().create_future()
        self.add_event_handler("sm_enabled", self.enabled)
        self.add_event_handler("session_resumed", self.was_resumed)
        self.add_event_handler("disconnected", lambda _: self.connect((host, int(port))))
        self.add_event_handler("message", self.message)
        self.add_event_handler("presence_available", self.present)

    def enabled(self, _):
        self.online += 1
        self.send_presence()

    def was_resumed(self, _):
        self.resumed += 1
        print(json.dumps({"resumed": self.resumed}), flush=True)

    def present(self, presence):
        if presence["from"].resource == "echo":
            print(json.dumps({"ready": str(presence["from"])}), flush=True)

    def message(self, message):
        if message["body"] == "last":
            if not self.outcome.done():
                self.outcome.set_result(None)
            return
        self.received.append(message["id"])


async def main():
    client = Client()
    client.connect((host, int(port)))
    await client.outcome
    outcome = {"received": client.received, "online": client.online}
    print(json.dumps(outcome), flush=True)


asyncio.get_event_loop().run_until_complete(main())
