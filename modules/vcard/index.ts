/** An account's vCard, which everybody may read, and its picture in both worlds. XEP-0054, XEP-0084, XEP-0153, XEP-0398. */

import { defineModule, type IqRequest, integer, type Options, option, type ValuesOf } from '../../server/module/api.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { el } from '../../server/xml/element.ts'
import { parseFragment } from '../../server/xml/parser.ts'
import { serialize } from '../../server/xml/serialize.ts'
import { PUBSUB } from '../pubsub/index.ts'
import { Avatars } from './avatars.ts'
import { hasPhoto, NS_AVATAR_METADATA, photoOf, withoutPhoto, withPhoto } from './photo.ts'
import { announce } from './presence.ts'
import { readVcard, removeVcard, saveVcard } from './store.sqlite.ts'
import { NS_VCARD } from './xml.ts'

const NS_CONVERSION = 'urn:xmpp:pep-vcard-conversion:0'

const vcardConfig = {
  maxBytes: option(integer(131_072, 1_024, 16_777_216), 'largest vCard, in bytes; larger: not-acceptable'),
} satisfies Options

export const vcard = defineModule<ValuesOf<typeof vcardConfig>>({
  name: 'vcard',
  specs: [
    {
      doc: 'XEP-0054',
      version: '1.3.0',
      status: 'partial',
      omits: 'a vCard of the server itself (§3.3)',
    },
    {
      doc: 'XEP-0084',
      version: '1.1.4',
      status: 'partial',
      omits: 'strangers do not discover the avatar of an account, which would tell that it exists (§6.1)',
    },
    { doc: 'XEP-0153', version: '1.1.1', status: 'complete' },
    { doc: 'XEP-0398', version: '1.0.0', status: 'complete' },
  ],
  requires: ['pubsub'],
  config: vcardConfig,
  accountData: { forget: removeVcard },
  setup(ctx) {
    const { storage } = ctx
    const avatars = new Avatars(ctx.use(PUBSUB).personal, ctx.log)
    ctx.starting(() => avatars.load())
    ctx.on('observe', 'account.removed', ({ bareJid }) => avatars.forget(bareJid))
    ctx.on('observe', 'pubsub.personal-published', ({ account, nodeId, item }) => {
      if (nodeId === NS_AVATAR_METADATA) avatars.changed(account, item.payload)
    })
    ctx.on('observe', 'pubsub.personal-removed', async ({ account, nodeId }) => {
      if (nodeId === NS_AVATAR_METADATA) await avatars.review(account)
    })
    ctx.on('amend', 'presence.sending', ({ session, presence }) => {
      const hash = avatars.hashOf(session.bareJid)
      if (hash !== undefined) announce(presence, hash)
    })

    const endpoint = ctx.endpoint('account')
    endpoint.feature(NS_VCARD, NS_CONVERSION)
    ctx.endpoint('server').feature(NS_VCARD) // XEP-0054 §4
    endpoint.onIq(
      'get',
      `{${NS_VCARD}}vCard`,
      async ({ from, to }) => {
        const xml = await storage.run(readVcard, to.bare)
        const photo = await avatars.photoFor(to.bare, from.bare)
        const card = xml === undefined ? photo && el('vCard', { xmlns: NS_VCARD }) : parseFragment(xml)
        if (card) return photo ? withPhoto(card, photo) : card
        // XEP-0054 §3.1: one's own is not there; §3.3: another's is not there, or there is no such account.
        throw new StanzaError('cancel', from.bare === to.bare ? 'item-not-found' : 'service-unavailable')
      },
      { from: 'anyone' },
    )
    const set = async ({ from, to, payload }: IqRequest): Promise<undefined> => {
      if (from.bare !== to.bare) throw new StanzaError('auth', 'forbidden', 'only its owner sets a vCard') // §3.2
      const { maxBytes } = ctx.config()
      if (Buffer.byteLength(serialize(payload, '')) > maxBytes) {
        throw new StanzaError('modify', 'not-acceptable', `a vCard has ${maxBytes} bytes at most`)
      }
      const photo = photoOf(payload)
      // A picture that cannot be shown elsewhere stays where it is; XEP-0054 §3.2: what is not sent is no more.
      if (photo || !hasPhoto(payload)) await avatars.show(to.bare, photo)
      await storage.run(saveVcard, { bareJid: to.bare, xml: serialize(photo ? withoutPhoto(payload) : payload, '') })
      return undefined
    }
    // Nobody learns from the refusal which accounts exist.
    endpoint.onIq('set', `{${NS_VCARD}}vCard`, set, { from: 'whether-or-not' })
  },
})
