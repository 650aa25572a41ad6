/** Tells the server's time, in UTC. XEP-0202 §3. */

import type { Module } from '../server/module/api.ts'
import { formatDateTime } from '../server/stanza/time.ts'
import { el } from '../server/xml/element.ts'

const NS_TIME = 'urn:xmpp:time'

export const time: Module = {
  name: 'time',
  specs: [{ doc: 'XEP-0202', version: '2.0', status: 'complete' }],
  setup(ctx) {
    const endpoint = ctx.endpoint('server')
    endpoint.feature(NS_TIME)
    endpoint.onIq('get', `{${NS_TIME}}time`, () =>
      el('time', { xmlns: NS_TIME }, el('tzo', {}, '+00:00'), el('utc', {}, formatDateTime(ctx.clock.now()))),
    )
  },
}
