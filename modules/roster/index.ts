/** Rosters and presence subscriptions. RFC 6121 §2, §3. */

import { defineModule, type IqRequest, PRESENCE_AUTHORITY } from '../../server/module/api.ts'
import { type Element, el } from '../../server/xml/element.ts'
import { ROSTERS } from './api.ts'
import { type RosterConfig, rosterConfig } from './config.ts'
import { rosterError } from './errors.ts'
import { Replica } from './replica.ts'
import { RosterService } from './service.ts'
import { SharedRoster } from './shared.ts'
import { rosterStore } from './store.sqlite.ts'
import {
  NS_PRE_APPROVAL,
  NS_ROSTER,
  NS_ROSTER_VERSIONING,
  parseRosterGet,
  parseRosterSet,
  renderItem,
  renderRoster,
} from './xml.ts'

export { type Relation, ROSTERS, type Rosters } from './api.ts'

export const roster = defineModule<RosterConfig>({
  name: 'roster',
  specs: [{ doc: 'XEP-0237', version: '1.3', status: 'complete' }],
  config: rosterConfig,
  accountData: { forget: rosterStore.forgetAccount },
  setup(ctx) {
    const shared = ctx.config().shared === 'components' ? new SharedRoster(ctx.accounts) : undefined
    const replica = new Replica(ctx.storage, rosterStore.load, ctx.config().idleMax)
    const service = new RosterService({ ctx, store: rosterStore, replica, shared })

    ctx.provide(PRESENCE_AUTHORITY, service)
    ctx.provide(ROSTERS, service)
    for (const feature of [el('ver', { xmlns: NS_ROSTER_VERSIONING }), el('sub', { xmlns: NS_PRE_APPROVAL })])
      ctx.streamFeature({ advertise: (state) => (state === 'bind' ? feature : undefined) })
    ctx.endpoint('server').feature(NS_ROSTER)

    const account = ctx.endpoint('account')
    account.onIq('get', `{${NS_ROSTER}}query`, (iq) => get(service, iq))
    // RFC 6121 §2.3.3: who is not allowed is told so, which `self` would not do; an account that is not there answers alike
    account.onIq(
      'set',
      `{${NS_ROSTER}}query`,
      async ({ from, to, payload }) => {
        if (from.bare !== to.bare) throw rosterError('notYours', 'only its owner changes a roster')
        await service.change(to, parseRosterSet(payload, ctx.config()))
        return undefined
      },
      { from: 'whether-or-not' },
    )

    ctx.on('observe', 'presence.updated', async ({ session, presence, isInitial }) => {
      if (!isInitial && presence) return
      await Promise.all([
        service.noteSeen(session, presence !== undefined),
        presence ? service.sendRequests(session) : undefined,
      ])
    })
    // Whoever is connected is known, also one that says nothing and is asked. RFC 6121 §8.5.3.1
    ctx.on('observe', 'session.bound', ({ session }) => service.ready(session.bareJid))
    ctx.on('observe', 'session.closed', ({ session }) => {
      if (ctx.sessions.of(session.bareJid).length === 0) replica.release(session.bareJid)
    })
    ctx.on('observe', 'account.removed', ({ bareJid, forgotten }) =>
      service.accountForgotten(bareJid, forgotten(rosterStore.forgetAccount)),
    )
    ctx.on('observe', 'account.changed', ({ bareJid }) => service.refreshShared(bareJid))
    ctx.starting(async () => shared?.load())
  },
})

/** RFC 6121 §2.1.3, §2.1.4, §2.6.2, §2.6.3. */
function get(service: RosterService, { to, payload, session }: IqRequest): Element | undefined {
  const { version } = parseRosterGet(payload)
  if (session) service.addInterested(session)
  const changes = session && version !== undefined ? service.changesSince(to.bare, version) : undefined
  const items = changes ? [] : service.itemsOf(to.bare)
  if (!session || !changes) return renderRoster(items.map(renderItem), service.versionOf(to.bare))
  // The empty result goes out when this returns, the interim pushes right behind it.
  queueMicrotask(() => service.pushTo(session, changes))
  return undefined
}
