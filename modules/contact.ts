/** Tells who runs the server and how they are reached. XEP-0157. */

import * as z from 'zod'
import { commaList, defineModule, type Options, option, type ValuesOf } from '../server/module/api.ts'

const FORM_TYPE = 'http://jabber.org/network/serverinfo'
const PURPOSES = ['abuse', 'admin', 'feedback', 'sales', 'security', 'status', 'support'] as const

const addresses = (purpose: string) =>
  option(
    commaList(() => z.url({ error: 'a URI, as mailto:, xmpp: or https:' })),
    `URIs to reach those responsible for ${purpose} (XEP-0157)`,
  )

const config = {
  abuse: addresses('abuse reports'),
  admin: addresses('administration'),
  feedback: addresses('feedback'),
  sales: addresses('sales'),
  security: addresses('security'),
  status: addresses('the state of the service'),
  support: addresses('support'),
} satisfies Options

export const contact = defineModule<ValuesOf<typeof config>>({
  name: 'contact',
  specs: [{ doc: 'XEP-0157', version: '1.1.1', status: 'complete' }],
  config,
  setup(ctx) {
    const known = ctx.config()
    const fields = PURPOSES.filter((purpose) => known[purpose].length > 0).map((purpose) => ({
      name: `${purpose}-addresses`,
      type: 'list-multi' as const,
      values: known[purpose],
    }))
    if (fields.length > 0) ctx.endpoint('server').form({ type: 'result', formType: FORM_TYPE, fields })
  },
})
