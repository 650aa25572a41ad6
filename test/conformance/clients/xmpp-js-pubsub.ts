/** @xmpp/client keeps a node: makes it, configures it, publishes, pages, reads the archive, retracts, gives rights, deletes. */

import { xml } from '@xmpp/client'
import { client } from '../../support/xmpp-js.ts'

const NS = 'http://jabber.org/protocol/pubsub'
const NS_RSM = 'http://jabber.org/protocol/rsm'
const NS_MAM = 'urn:xmpp:mam:2'
const NODE = 'xmppjs-node'
const [service = '', domain = '', username = '', password = '', friend = ''] = process.argv.slice(2)
const pubsub = `pubsub.${domain}`
const timer = setTimeout(() => {
  process.stderr.write('timed out\n')
  process.exit(1)
}, 30_000)

const xmpp = client({ service, domain, username, password, resource: 'conformance' })
xmpp.reconnect.stop()
xmpp.on('error', (error: Error) => process.stderr.write(`${error}\n`))
const events: string[] = []
const archived: string[] = []
let wake = (): void => {}
xmpp.on('stanza', (stanza) => {
  const result = stanza.getChild('result', NS_MAM)?.getChild('forwarded')?.getChild('message')
  const items = (result ?? stanza).getChild('event', `${NS}#event`)?.getChild('items')
  for (const item of items?.getChildren('item') ?? [])
    if (result) archived.push(String(item.attrs.id))
    else events.push(`published ${item.attrs.id}`)
  for (const item of items?.getChildren('retract') ?? []) events.push(`retracted ${item.attrs.id}`)
  wake()
})
const heard = async (count: number): Promise<void> => {
  while (events.length < count)
    await new Promise<void>((resolve) => {
      wake = resolve
    })
}

const address = await xmpp.start()
await xmpp.send(xml('presence'))
const { iqCaller } = xmpp
const get = (ns: string, ...content: Parameters<typeof xml>[2][]) => iqCaller.get(xml('pubsub', ns, ...content), pubsub)
const set = (ns: string, ...content: Parameters<typeof xml>[2][]) => iqCaller.set(xml('pubsub', ns, ...content), pubsub)
const titled = (title: string) =>
  xml(
    'x',
    { xmlns: 'jabber:x:data', type: 'submit' },
    xml('field', { var: 'FORM_TYPE', type: 'hidden' }, xml('value', {}, `${NS}#node_config`)),
    xml('field', { var: 'pubsub#title' }, xml('value', {}, title)),
  )
await set(NS, xml('create', { node: NODE }), xml('configure', {}, titled('first')))
await set(`${NS}#owner`, xml('configure', { node: NODE }, titled('second')))
const form = (await get(`${NS}#owner`, xml('configure', { node: NODE }))).getChild('configure')?.getChild('x')
const title = form?.getChildren('field').find((field) => field.attrs.var === 'pubsub#title')
await set(NS, xml('subscribe', { node: NODE, jid: address.bare().toString() }))
for (const id of ['1', '2', '3', '4', '5']) {
  await set(NS, xml('publish', { node: NODE }, xml('item', { id }, xml('entry', { xmlns: 'urn:example:entry' }))))
  await heard(Number(id))
}
const pages: string[][] = []
for (let after: string | undefined; ; ) {
  const place = after === undefined ? [] : [xml('after', {}, after)]
  const page = await get(NS, xml('items', { node: NODE }), xml('set', NS_RSM, xml('max', {}, '2'), ...place))
  const ids = (page.getChild('items')?.getChildren('item') ?? []).map((item) => item.attrs.id as string)
  if (ids.length === 0) break
  pages.push(ids)
  after = page.getChild('set', NS_RSM)?.getChildText('last') ?? undefined
}
const query = xml('iq', { type: 'set', to: pubsub }, xml('query', { xmlns: NS_MAM, node: NODE }))
const fin = (await iqCaller.request(query)).getChild('fin', NS_MAM)
await set(NS, xml('retract', { node: NODE, notify: 'true' }, xml('item', { id: '2' })))
await heard(6)
const affiliation = xml('affiliation', { jid: friend, affiliation: 'publisher' })
await set(`${NS}#owner`, xml('affiliations', { node: NODE }, affiliation))
const affiliations = await get(`${NS}#owner`, xml('affiliations', { node: NODE }))
const subscriptions = await get(`${NS}#owner`, xml('subscriptions', { node: NODE }))
await set(`${NS}#owner`, xml('delete', { node: NODE }))
const gone = await get(NS, xml('items', { node: NODE })).then(
  () => 'not at all',
  (error: { readonly condition?: string }) => error.condition,
)
clearTimeout(timer)
process.stdout.write(
  `${JSON.stringify({
    title: title?.getChildText('value'),
    events,
    pages,
    archived: [archived.join(''), fin?.attrs.complete],
    affiliations: affiliations
      .getChild('affiliations')
      ?.getChildren('affiliation')
      .map((each) => `${each.attrs.jid} ${each.attrs.affiliation}`)
      .sort(),
    subscribers: subscriptions
      .getChild('subscriptions')
      ?.getChildren('subscription')
      .map((each) => `${each.attrs.jid} ${each.attrs.subscription}`),
    gone,
  })}\n`,
)
await xmpp.stop()
