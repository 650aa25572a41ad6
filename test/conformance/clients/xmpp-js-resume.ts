/** @xmpp/client with its own stream management and reconnection: echoes each message, until one says that it is the last. */

import { xml } from '@xmpp/client'
import { client } from '../../support/xmpp-js.ts'

const [service = '', domain = '', username = '', password = ''] = process.argv.slice(2)
const xmpp = client({ service, domain, username, password, resource: 'echo' })
xmpp.reconnect.delay = 20
// What a cut connection reports is no fault here; what does not recover ends in the test's own time-out.
xmpp.on('error', () => {})

const received: string[] = []
const unsent: (readonly [id: string, to: string])[] = []
let resumed = 0
let online = 0

function echo(id: string, to: string): void {
  // The library keeps what it wrote while enabled, and sends it again; what it could not write is ours to keep.
  const keep = () => void unsent.push([id, to])
  if (!xmpp.streamManagement.enabled) keep()
  else xmpp.send(xml('message', { id, to, type: 'chat' }, xml('body', {}, id))).catch(keep)
}

xmpp.on('online', () => {
  online++
})
xmpp.streamManagement.on('resumed', () => {
  resumed++
  process.stdout.write(`${JSON.stringify({ resumed })}\n`)
  for (const [id, to] of unsent.splice(0)) echo(id, to)
})
xmpp.on('stanza', (stanza) => {
  const { id = '', from = '' } = stanza.attrs
  if (!stanza.is('message')) {
    // Its own; Bind 2 makes of the wished resource the first part of one.
    if (stanza.is('presence') && /\/echo(?:\/|$)/.test(from))
      process.stdout.write(`${JSON.stringify({ ready: from })}\n`)
    return
  }
  if (stanza.getChildText('body') === 'last') {
    process.stdout.write(`${JSON.stringify({ received, online })}\n`, () => process.exit(0))
    return
  }
  received.push(id)
  echo(id, from)
})
await xmpp.start()
while (!xmpp.streamManagement.enabled) await new Promise(setImmediate)
await xmpp.send(xml('presence'))
