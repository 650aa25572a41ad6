/** Messages for absent accounts are kept and delivered later. XEP-0160, XEP-0203. */

import { defineModule, integer, type Options, option, type ValuesOf } from '../../server/module/api.ts'
import { attr, Element, isElement } from '../../server/xml/element.ts'
import { NS_DELAY } from '../../server/xml/namespaces.ts'
import { mayHold } from '../../server/xml/unread.ts'
import { OFFLINE } from './api.ts'
import { OfflineService } from './service.ts'
import { offlineStore } from './store.sqlite.ts'

export { type KeptMessage, OFFLINE, type Offline } from './api.ts'

const config = {
  messagesMax: option(
    integer(1_000, 0, 1_000_000),
    'messages kept for one account; more: service-unavailable; 0 keeps none',
  ),
  perSenderMax: option(
    integer(100, 1, 1_000_000),
    'of these, from one sender, or from one pubsub node; more: service-unavailable, notifications are dropped',
  ),
  maxChars: option(integer(4_194_304, 10_000, 1_073_741_824), 'their size in characters; more: service-unavailable'),
} satisfies Options

export const offline = defineModule<ValuesOf<typeof config>>({
  name: 'offline',
  specs: [
    { doc: 'XEP-0160', version: '1.0.1', status: 'complete' },
    { doc: 'XEP-0203', version: '2.0', status: 'complete' },
    {
      doc: 'XEP-0334',
      version: '1.0.0',
      status: 'partial',
      omits: 'no-copy and no-permanent-store: nothing here copies or archives',
    },
  ],
  config,
  accountData: { forget: offlineStore.forgetAccount },
  setup(ctx) {
    const service = new OfflineService({
      ctx,
      store: offlineStore,
      log: ctx.log,
      limits: () => {
        const { messagesMax, perSenderMax, maxChars } = ctx.config()
        return { messages: messagesMax, perSender: perSenderMax, chars: maxChars }
      },
    })
    ctx.provide(OFFLINE, service)
    ctx.endpoint('server').feature('msgoffline') // XEP-0160 §4
    ctx.on('amend', 'message.undeliverable', (event) => {
      event.kept ??= service.keep(event.message, event.from, event.to)
    })
    ctx.on('observe', 'presence.updated', async ({ session, presence }) => {
      if (presence && session.priority >= 0) await service.serve(session)
    })
    ctx.on('amend', 'stanza.received', ({ stanza }) => dropForgedDelay(stanza, ctx.domain))
  },
})

/** XEP-0203 §5: only this server says what this server delayed. */
function dropForgedDelay(stanza: Element, domain: string): void {
  if (stanza.getName() === 'iq' || !mayHold(stanza, NS_DELAY)) return
  const isForged = (child: unknown): boolean =>
    child instanceof Element && isElement(child, 'delay', NS_DELAY) && attr(child, 'from') === domain
  if (stanza.children.some(isForged)) stanza.children = stanza.children.filter((child) => !isForged(child))
}
