"""slixmpp logging in with a client certificate and no password."""

import asyncio
import sys

import slixmpp

host, port, jid, certificate, key, ca_file = sys.argv[1:7]


class Client(slixmpp.ClientXMPP):
    def __init__(self):
        super().__init__(jid, None, sasl_mech="EXTERNAL")
        self.ca_certs = ca_file
        self.certfile = certificate
        self.keyfile = key
        self.outcome = asyncio.get_event_loop().create_future()
        self.add_event_handler("session_start", lambda _: self.end(f"bound {self.boundjid}"))
        self.add_event_handler("failed_all_auth", lambda _: self.end("authentication failed"))
        self.add_event_handler("connection_failed", lambda why: self.end(f"no connection: {why}"))

    def end(self, text):
        if not self.outcome.done():
            self.outcome.set_result(text)


async def main():
    client = Client()
    client.connect((host, int(port)))
    print(await asyncio.wait_for(client.outcome, 20), flush=True)
    await client.disconnect()


asyncio.get_event_loop().run_until_complete(main())
