/** @xmpp/client by its default path: SASL2 with Bind 2, and a token (FAST) that stands in for the password next time. */

import { randomUUID } from 'node:crypto'
import { xml } from '@xmpp/client'
import { client } from '../../support/xmpp-js.ts'

const [service = '', domain = '', username = '', password = ''] = process.argv.slice(2)

const timer = setTimeout(() => {
  process.stderr.write('timed out\n')
  process.exit(1)
}, 30_000)

const userAgent = xml('user-agent', { id: randomUUID() })
const errors: string[] = []
let token: unknown

const ATTEMPTS = 5

/**
 * The library begins to wait for the server's header only when its own has left: an answer that was quicker is missed,
 * which happens on a busy machine, and its start fails with a time-out.
 * @returns the address it was given
 */
async function session(credentials: { readonly password?: string }): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await trySession(credentials)
    } catch (error) {
      const isMissed = error instanceof Error && error.name === 'TimeoutError'
      if (!isMissed || attempt === ATTEMPTS) throw error
    }
  }
}

async function trySession(credentials: { readonly password?: string }): Promise<string> {
  const xmpp = client({ service, domain, username, resource: 'tokens', userAgent, ...credentials })
  xmpp.reconnect.stop()
  let isOver = false
  xmpp.fast.saveToken = async (issued) => {
    token = issued
  }
  xmpp.fast.fetchToken = async () => token
  xmpp.fast.deleteToken = async () => {
    if (token !== undefined) errors.push('the token was refused')
    token = undefined
  }
  xmpp.on('error', (error) => {
    if (!isOver && error.name !== 'TimeoutError') errors.push(String(error))
  })
  const address = await xmpp.start().catch((error: unknown) => {
    isOver = true
    throw error
  })
  await xmpp.iqCaller.get(xml('ping', 'urn:xmpp:ping'), domain)
  isOver = true
  await xmpp.stop().catch(() => {}) // the server's goodbye may be missed in the same way
  return address.toString()
}

const byPassword = await session({ password })
// The token alone lets it in, as often as it likes.
const byToken = await session({})
const again = await session({})
clearTimeout(timer)
process.stdout.write(`${JSON.stringify({ byPassword, byToken, again, errors })}\n`)
