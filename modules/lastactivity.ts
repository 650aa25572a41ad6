/** Tells how long the server has been running, and when a user was last there. XEP-0012. */

import { ENDPOINTS, type Module, PRESENCE_AUTHORITY } from '../server/module/api.ts'
import { StanzaError } from '../server/stanza/errors.ts'
import { type Element, el } from '../server/xml/element.ts'

const NS_LAST = 'jabber:iq:last'

export const lastactivity: Module = {
  name: 'lastactivity',
  specs: [
    {
      doc: 'XEP-0012',
      version: '2.0',
      status: 'partial',
      omits:
        'the status of the last presence (§3: optional); who may not see a presence gets service-unavailable (§3: forbidden), which is what accounts that do not exist get',
    },
  ],
  requires: ['roster'],
  setup(ctx) {
    const startedAt = ctx.clock.now()
    const authority = ctx.use(PRESENCE_AUTHORITY)
    const since = (at: number): Element =>
      el('query', { xmlns: NS_LAST, seconds: Math.max(0, Math.floor((ctx.clock.now() - at) / 1000)) })
    ctx.use(ENDPOINTS).each((endpoint) => {
      endpoint.feature(NS_LAST)
      if (endpoint.at !== 'account') endpoint.onIq('get', `{${NS_LAST}}query`, () => since(startedAt)) // XEP-0012 §5
    })
    ctx.endpoint('account').onIq(
      'get',
      `{${NS_LAST}}query`,
      async ({ to }) => {
        // §3: somebody who is connected was active just now
        if (ctx.sessions.of(to.bare).length > 0) return since(ctx.clock.now())
        const seenAt = await authority.lastSeen(to.bare)
        if (seenAt === undefined) throw new StanzaError('cancel', 'item-not-found', 'never seen here')
        return since(seenAt)
      },
      { from: 'subscribed' },
    )
  },
}
