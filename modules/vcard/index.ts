/** An account's vCard, which everybody may read. XEP-0054. */

import { z } from 'zod'
import { defineModule } from '../../server/module/api.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { RawXml } from '../../server/xml/element.ts'
import { serialize } from '../../server/xml/serialize.ts'
import { readVcard, removeVcard, saveVcard, vcardOwners } from './store.sqlite.ts'

export const NS_VCARD = 'vcard-temp'

const vcardConfig = z.object({
  maxBytes: z.coerce
    .number()
    .int()
    .min(1_024)
    .max(16_777_216)
    .default(131_072)
    .describe('largest vCard, in bytes; larger: not-acceptable'),
})

export const vcard = defineModule<z.output<typeof vcardConfig>>({
  name: 'vcard',
  specs: [
    {
      doc: 'XEP-0054',
      version: '1.3.0',
      status: 'partial',
      omits:
        "a vCard of the server itself (§3.3); setting another's gets service-unavailable (§3.2: forbidden), which is what accounts that do not exist get",
    },
  ],
  config: vcardConfig,
  setup(ctx) {
    const { storage } = ctx
    ctx.starting(async () => {
      // Accounts that were removed while no server ran.
      for (const bareJid of await storage.run(vcardOwners, undefined)) {
        if (!ctx.accounts.exists(bareJid)) await storage.run(removeVcard, bareJid)
      }
    })
    ctx.on('observe', 'account.removed', ({ bareJid }) => storage.run(removeVcard, bareJid))

    const endpoint = ctx.endpoint('account')
    endpoint.feature(NS_VCARD)
    ctx.endpoint('server').feature(NS_VCARD) // §4
    endpoint.onIq(
      'get',
      `{${NS_VCARD}}vCard`,
      async ({ from, to }) => {
        const xml = await storage.run(readVcard, to.bare)
        if (xml !== undefined) return new RawXml(xml)
        // §3.1: one's own is not there; §3.3: another's is not there, or there is no such account.
        throw new StanzaError('cancel', from.bare === to.bare ? 'item-not-found' : 'service-unavailable')
      },
      { from: 'anyone' },
    )
    endpoint.onIq('set', `{${NS_VCARD}}vCard`, async ({ to, payload }) => {
      const xml = serialize(payload, '')
      const { maxBytes } = ctx.config()
      if (Buffer.byteLength(xml) > maxBytes) {
        throw new StanzaError('modify', 'not-acceptable', `a vCard has ${maxBytes} bytes at most`)
      }
      await storage.run(saveVcard, { bareJid: to.bare, xml })
      return undefined
    })
  },
})
