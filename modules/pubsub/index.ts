/** Publish-subscribe at `pubsub.<domain>` and at the domain itself. XEP-0060. */

import { defineModule, type ModuleContext } from '../../server/module/api.ts'
import { PUBSUB } from './api.ts'
import { Claims } from './claims.ts'
import { type PubsubConfig, pubsubConfig } from './config.ts'
import { askerOf, type PubsubParts, run } from './context.ts'
import { FEATURES, listItems, nodeInfo } from './discovery.ts'
import { Notifier } from './notify.ts'
import { Replica } from './replica.ts'
import { pubsubSeam } from './seam.ts'
import { perform } from './service.ts'
import { sqliteStore } from './store.sqlite.ts'
import { NS_PUBSUB, NS_PUBSUB_OWNER, parsePubsub } from './xml.ts'

export {
  type ClaimedNodes,
  type ClaimedPublish,
  type PreparedPublish,
  PUBSUB,
  type Pubsub,
  type ServerNode,
  SHARED_SCOPE,
} from './api.ts'

export const pubsub = defineModule<PubsubConfig>({
  name: 'pubsub',
  specs: [
    {
      doc: 'XEP-0060',
      version: '1.30.0',
      status: 'partial',
      omits:
        'subscription options and ids (§6.3, §6.4, multi-subscribe), access models authorize, presence and roster, ' +
        'pending subscriptions (§8.6, §8.7), auto-create, account nodes (§9), leases, item_expire, publish_node_full',
    },
    { doc: 'XEP-0059', version: '1.0', status: 'partial', omits: 'pages of items by index (§2.6)' },
  ],
  config: pubsubConfig,
  setup(ctx) {
    const parts = makeParts(ctx)
    ctx.provide(PUBSUB, pubsubSeam(parts))
    ctx.starting(async () => parts.replica.load(await run(parts, parts.store.readSnapshot, undefined)))
    ctx.on('observe', 'account.removed', async ({ bareJid }) => {
      await run(parts, parts.store.forgetAccount, { bareJid }, () => parts.replica.accountForgotten(bareJid))
    })
    for (const at of ['server', 'service:pubsub'] as const) {
      const endpoint = ctx.endpoint(at)
      endpoint.identity('pubsub', 'service')
      endpoint.feature(...FEATURES)
      endpoint.info((query) => nodeInfo(parts, query))
      endpoint.items((query) => listItems(parts, query))
      for (const ns of [NS_PUBSUB, NS_PUBSUB_OWNER]) {
        for (const type of ['get', 'set'] as const) {
          endpoint.onIq(type, `{${ns}}pubsub`, ({ from, payload }) =>
            perform(parts, askerOf(parts.accounts, from, endpoint.address), parsePubsub(type, payload, parts.config())),
          )
        }
      }
    }
  },
})

function makeParts(ctx: ModuleContext<PubsubConfig>): PubsubParts {
  const { domain, storage, accounts, log } = ctx
  const claims = new Claims()
  // The envelope carries its sender's address already, so either endpoint may put it on the road.
  const service = ctx.endpoint('service:pubsub')
  const notifier = new Notifier({
    send: (_address, stanza) => service.send(stanza),
    maySee: (bareJid, nodeId, scope) => claims.maySee(bareJid, nodeId, scope),
  })
  const config = () => ctx.config()
  return { domain, storage, accounts, log, config, claims, notifier, store: sqliteStore, replica: new Replica() }
}
