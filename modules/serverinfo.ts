/**
 * What this server says of itself to maps of the network: an item at the node `serverinfo` of its pubsub service. Off by
 * default: who advertises it has an administrator's leave, and lets others name the domain. XEP-0485
 */

import { defineModule, type Options, option, type ValuesOf, yesNo } from '../server/module/api.ts'
import { StanzaError } from '../server/stanza/errors.ts'
import { el } from '../server/xml/element.ts'
import { PUBSUB } from './pubsub/api.ts'

const NS_SERVERINFO = 'urn:xmpp:serverinfo:0'
const NODE = 'serverinfo'
const ITEM = 'current'

const config = {
  publish: option(yesNo(false), `publish this domain at the node ${NODE}, for maps of the network (XEP-0485)`),
} satisfies Options

export const serverinfo = defineModule<ValuesOf<typeof config>>({
  name: 'serverinfo',
  // §4: there is no federation to tell of.
  specs: [{ doc: 'XEP-0485', version: '1.0.0', status: 'complete' }],
  requires: ['pubsub'],
  config,
  setup(ctx) {
    if (!ctx.config().publish) return
    const pubsub = ctx.use(PUBSUB)
    // §3: without a form that says otherwise, the node is this one, at the first pubsub service.
    ctx.endpoint('server').feature(NS_SERVERINFO)
    pubsub.claim({
      owns: (nodeId) => nodeId === NODE,
      authorizeSubscribe: () => {},
      authorizePublish: refuse,
      visibleScopes: () => 'all',
      preparePublish: refuse,
    })
    ctx.starting(async () => {
      await pubsub.ensureNode(NODE, { title: 'Server information', persistItems: true, maxItems: 1 })
      const domain = el('domain', { name: ctx.domain })
      await pubsub.publish(NODE, ITEM, el('serverinfo', { xmlns: NS_SERVERINFO }, domain))
    })
  },
})

function refuse(): never {
  throw new StanzaError('cancel', 'not-allowed', 'the server itself publishes there')
}
