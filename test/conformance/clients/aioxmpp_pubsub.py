"""aioxmpp keeps a node: makes it, configures it, publishes, pages, retracts, gives rights, deletes."""

import asyncio
import json
import sys

import aioxmpp
import aioxmpp.rsm.xso

host, port, jid, password, friend = sys.argv[1:6]
NODE = "aioxmpp-node"
# Its pubsub has no pages of its own; the library lets a stanza's children be added to.
aioxmpp.pubsub.xso.Request.rsm = aioxmpp.xso.Child([aioxmpp.rsm.xso.ResultSetMetadata])


@aioxmpp.pubsub.xso.as_payload_class
class Entry(aioxmpp.xso.XSO):
    TAG = ("urn:example:entry", "entry")


async def pages_of(client, service):
    pages, after = [], None
    while True:
        request = aioxmpp.pubsub.xso.Request(aioxmpp.pubsub.xso.Items(NODE))
        request.rsm = aioxmpp.rsm.xso.ResultSetMetadata.limit(2)
        if after is not None:
            request.rsm = after.next_page(2)
        answer = await client.send(aioxmpp.IQ(to=service, type_=aioxmpp.IQType.GET, payload=request))
        items = list(answer.payload.items)
        if not items:
            return pages
        pages.append([item.id_ for item in items])
        after = answer.rsm


async def trade(client):
    service = aioxmpp.JID.fromstr(f"pubsub.{client.local_jid.domain}")
    pubsub = client.summon(aioxmpp.PubSubClient)
    heard = asyncio.Queue()
    pubsub.on_item_published.connect(
        lambda sender, node, item, *, message=None: heard.put_nowait(f"published {item.id_}")
    )
    pubsub.on_item_retracted.connect(
        lambda sender, node, id_, *, message=None: heard.put_nowait(f"retracted {id_}")
    )
    await pubsub.create(service, NODE)
    form = aioxmpp.pubsub.NodeConfigForm.from_xso(await pubsub.get_node_config(service, NODE))
    form.title.value = "second"
    await pubsub.set_node_config(service, form.render_reply(), NODE)
    form = aioxmpp.pubsub.NodeConfigForm.from_xso(await pubsub.get_node_config(service, NODE))
    await pubsub.subscribe(service, NODE)
    events = []
    for item_id in "12345":
        await pubsub.publish(service, NODE, Entry(), id_=item_id)
        events.append(await asyncio.wait_for(heard.get(), 10))
    pages = await pages_of(client, service)
    await pubsub.retract(service, NODE, "2", notify=True)
    events.append(await asyncio.wait_for(heard.get(), 10))
    await pubsub.change_node_affiliations(service, NODE, [(aioxmpp.JID.fromstr(friend), "publisher")])
    affiliations = (await pubsub.get_node_affiliations(service, NODE)).payload.affiliations
    subscriptions = (await pubsub.get_node_subscriptions(service, NODE)).payload.subscriptions
    outcome = {
        "title": form.title.value,
        "events": events,
        "pages": pages,
        "affiliations": sorted(f"{entry.jid} {entry.affiliation}" for entry in affiliations),
        "subscribers": [f"{entry.jid} {entry.subscription}" for entry in subscriptions],
    }
    await pubsub.delete(service, NODE)
    try:
        await pubsub.get_items(service, NODE)
    except aioxmpp.errors.XMPPError as error:
        outcome["gone"] = error.condition.name.lower().replace("_", "-")
    return outcome


async def main():
    client = aioxmpp.PresenceManagedClient(
        aioxmpp.JID.fromstr(jid),
        aioxmpp.make_security_layer(password),
        override_peer=[(host, int(port), aioxmpp.connector.STARTTLSConnector())],
    )
    async with client.connected():
        print(json.dumps(await trade(client)), flush=True)


asyncio.get_event_loop().run_until_complete(asyncio.wait_for(main(), 40))
