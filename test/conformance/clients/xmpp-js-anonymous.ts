/** @xmpp/client without a name or a password: it takes ANONYMOUS where it is offered. */

import { xml } from '@xmpp/client'
import { client } from '../../support/xmpp-js.ts'

const [service = '', domain = ''] = process.argv.slice(2)
const xmpp = client({ service, domain })
xmpp.reconnect.stop()
const errors: string[] = []
xmpp.on('error', (error) => errors.push(String(error)))
const address = await xmpp.start()
await xmpp.send(xml('presence'))
const roster = await xmpp.iqCaller.get(xml('query', 'jabber:iq:roster'))
const info = await xmpp.iqCaller.get(xml('query', 'http://jabber.org/protocol/disco#info'), domain)
process.stdout.write(
  `${JSON.stringify({
    jid: address.toString(),
    roster: roster.getChildren('item').length,
    identities: info.getChildren('identity').length,
    errors,
  })}\n`,
)
await xmpp.stop().catch(() => {})
