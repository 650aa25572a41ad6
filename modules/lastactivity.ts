/** Tells how long the server has been running. XEP-0012. */

import { ENDPOINTS, type Module } from '../server/module/api.ts'
import { el } from '../server/xml/element.ts'

export const NS_LAST = 'jabber:iq:last'

export const lastactivity: Module = {
  name: 'lastactivity',
  specs: [
    {
      doc: 'XEP-0012',
      version: '2.0',
      status: 'partial',
      omits:
        'when a user was last there (§3); what is asked of a client goes to it, unless it may not see the asker (§4)',
    },
  ],
  setup(ctx) {
    const startedAt = ctx.clock.now()
    ctx.use(ENDPOINTS).each((endpoint) => {
      if (endpoint.at === 'account') return
      endpoint.feature(NS_LAST)
      // XEP-0012 §5
      endpoint.onIq('get', `{${NS_LAST}}query`, () =>
        el('query', { xmlns: NS_LAST, seconds: Math.floor((ctx.clock.now() - startedAt) / 1000) }),
      )
    })
  },
}
