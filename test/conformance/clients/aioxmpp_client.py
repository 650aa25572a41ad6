"""aioxmpp over STARTTLS doing its own trade: logs in by its default path, discovers, pings, publishes, is notified, chats."""

import asyncio
import json
import logging
import sys
import uuid

import aioxmpp
import aioxmpp.dispatcher

host, port, jid, password = sys.argv[1:5]
logging.basicConfig(level=logging.WARNING, stream=sys.stderr)


@aioxmpp.pubsub.xso.as_payload_class
class Entry(aioxmpp.xso.XSO):
    TAG = ("urn:example:entry", "entry")
    text = aioxmpp.xso.Text()


async def trade(client):
    domain = client.local_jid.replace(localpart=None, resource=None)
    disco = client.summon(aioxmpp.DiscoClient)
    pubsub = client.summon(aioxmpp.PubSubClient)
    services = [item.jid for item in (await disco.query_items(domain)).items]
    for service in services:
        info = await disco.query_info(service)
        if any(identity.category == "pubsub" for identity in info.identities):
            address = service
    node = f"aioxmpp-{uuid.uuid4()}"
    notified = asyncio.get_event_loop().create_future()

    def published(sender, of, item, *, message=None):
        if of == node and not notified.done():
            notified.set_result(f"{sender} {item.id_} {item.registered_payload.text}")

    pubsub.on_item_published.connect(published)
    await pubsub.create(address, node)
    await pubsub.subscribe(address, node)
    entry = Entry()
    entry.text = "grüße & <more>"
    await pubsub.publish(address, node, entry, id_="one")
    event = await asyncio.wait_for(notified, 10)
    items = (await pubsub.get_items(address, node)).payload.items
    await pubsub.delete(address, node)
    await aioxmpp.ping.ping(client, domain)

    heard = asyncio.get_event_loop().create_future()
    client.summon(aioxmpp.dispatcher.SimpleMessageDispatcher).register_callback(
        aioxmpp.MessageType.CHAT, None, lambda message: heard.set_result(message.body.any())
    )
    message = aioxmpp.Message(type_=aioxmpp.MessageType.CHAT, to=client.local_jid)
    message.body[None] = "to myself"
    # Its promise is kept only when the server has acknowledged the stanza (XEP-0198).
    token = client.enqueue(message)
    await asyncio.wait_for(token, 10)
    return {
        "jid": str(client.local_jid),
        "services": [str(service) for service in services],
        "event": event.replace(str(address), "PUBSUB"),
        "retrieved": items[0].registered_payload.text,
        "heard": await asyncio.wait_for(heard, 10),
        "resumable": client.stream.sm_enabled and client.stream.sm_resumable,
        "acknowledged": token.state is aioxmpp.stream.StanzaState.ACKED,
        "errors": [],
    }


async def main():
    connector = aioxmpp.connector.STARTTLSConnector()
    client = aioxmpp.PresenceManagedClient(
        aioxmpp.JID.fromstr(jid),
        aioxmpp.make_security_layer(password),
        override_peer=[(host, int(port), connector)],
    )
    failed = asyncio.get_event_loop().create_future()
    client.on_failure.connect(lambda error: failed.done() or failed.set_exception(error))
    async with client.connected():
        traded = asyncio.ensure_future(trade(client))
        await asyncio.wait([traded, failed], timeout=25, return_when=asyncio.FIRST_COMPLETED)
        if failed.done():
            failed.result()
        print(json.dumps(traded.result()), flush=True)


asyncio.get_event_loop().run_until_complete(main())
