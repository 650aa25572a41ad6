/** Answers a ping with an empty result. XEP-0199 §4.2. */

import { ENDPOINTS, type Module } from '../server/module/api.ts'
import { NS_PING } from '../server/xml/namespaces.ts'

export const ping: Module = {
  name: 'ping',
  specs: [{ doc: 'XEP-0199', version: '2.0.1', status: 'complete' }],
  setup(ctx) {
    ctx.use(ENDPOINTS).each((endpoint) => {
      endpoint.feature(NS_PING)
      endpoint.onIq('get', `{${NS_PING}}ping`, () => undefined)
    })
  },
}
