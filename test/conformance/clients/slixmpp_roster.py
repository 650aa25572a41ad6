"""Two slixmpp clients: roster add, subscribe, approve, presence, remove; a message while one is away."""

import asyncio
import json
import sys

import slixmpp

host, port, ca_file, password, alice_jid, bob_jid = sys.argv[1:7]


class Client(slixmpp.ClientXMPP):
    def __init__(self, jid):
        super().__init__(jid, password)
        self.ca_certs = ca_file
        # Each step is the client's own doing; by default slixmpp approves and subscribes back by itself.
        self.auto_authorize = None
        self.auto_subscribe = False
        self.register_plugin("xep_0030")
        self.register_plugin("xep_0203")
        self.seen = asyncio.Queue()
        self.started = asyncio.get_event_loop().create_future()
        self.add_event_handler("session_start", lambda _: self.started.set_result(True))
        self.add_event_handler("failed_all_auth", lambda _: self.fail("authentication failed"))
        for event in ("presence_subscribe", "presence_subscribed", "presence_unsubscribe", "presence_unsubscribed"):
            self.add_event_handler(event, lambda stanza, event=event: self.note(event, stanza["from"].bare))
        self.add_event_handler("got_online", lambda stanza: self.note("got_online", stanza["from"].bare))
        self.add_event_handler("got_offline", lambda stanza: self.note("got_offline", stanza["from"].bare))
        self.add_event_handler("roster_update", lambda iq: self.roster_changed(iq))
        self.add_event_handler("message", self.on_message)

    def fail(self, text):
        if not self.started.done():
            self.started.set_exception(RuntimeError(text))

    def note(self, what, detail):
        if detail != self.boundjid.bare:
            self.seen.put_nowait((what, detail))

    def roster_changed(self, iq):
        for jid, item in iq["roster"]["items"].items():
            self.note(f"roster {item['subscription']} {item['ask']}".strip(), jid.bare)

    def on_message(self, message):
        stamp = message["delay"]["stamp"]
        self.note(f"message {message['body']} {'delayed' if stamp else 'live'}", message["from"].bare)

    async def online(self):
        self.connect((host, int(port)))
        await asyncio.wait_for(self.started, 15)
        await self.get_roster()
        self.send_presence()

    async def until(self, what):
        """Waits for this event; what came before it is let go."""
        while True:
            found, detail = await asyncio.wait_for(self.seen.get(), 10)
            if found == what:
                return detail


async def main():
    done = []
    alice, bob = Client(alice_jid), Client(bob_jid)
    await alice.online()
    await bob.online()

    await alice.update_roster(bob_jid, name="Bob", groups=["Friends"])
    await alice.until("roster none")
    alice.send_presence_subscription(bob_jid, ptype="subscribe")
    await alice.until("roster none subscribe")
    done.append(await bob.until("presence_subscribe"))
    bob.send_presence_subscription(alice_jid, ptype="subscribed")
    await bob.until("roster from")
    await alice.until("presence_subscribed")
    done.append(await alice.until("got_online"))
    bob.send_presence_subscription(alice_jid, ptype="subscribe")
    await alice.until("presence_subscribe")
    alice.send_presence_subscription(bob_jid, ptype="subscribed")
    await alice.until("roster both")
    await bob.until("roster both")
    await bob.until("got_online")

    await bob.disconnect()
    done.append(await alice.until("got_offline"))
    alice.send_message(bob_jid, "one", mtype="chat")
    alice.send_message(bob_jid, "two", mtype="normal")
    await alice["xep_0030"].get_info(jid=alice.boundjid.domain)

    again = Client(bob_jid)
    await again.online()
    await again.until("got_online")
    await again.until("message one delayed")
    await again.until("message two delayed")
    await alice.until("got_online")
    alice.send_message(bob_jid, "three", mtype="chat")
    done.append(await again.until("message three live"))

    # slixmpp knows a version by now, so nothing but that nothing has changed comes back.
    await again.get_roster()
    subscription = again.client_roster[alice_jid]["subscription"]
    await alice.del_roster_item(bob_jid)
    await alice.until("roster remove")
    await again.until("presence_unsubscribed")
    await again.until("roster none")
    await alice.disconnect()
    await again.disconnect()
    print(json.dumps({"done": done, "subscription": subscription}), flush=True)


asyncio.get_event_loop().run_until_complete(asyncio.wait_for(main(), 60))
