import { expect, test } from 'vitest'
import type { AccountView } from '../../../server/module/api.ts'
import { HookTable } from '../../../server/route/hooks.ts'
import { PresenceRouter } from '../../../server/route/presence.ts'
import { Router } from '../../../server/route/router.ts'
import { bindTls, bindWebSocket, DOMAIN, silent, startC2s } from '../stream/harness.ts'

test('RFC 6120 §8.3.3.6  a defect of a handler is an internal-server-error, without detail, and the stream goes on', async () => {
  let router: Router | undefined
  const server = await startC2s({ onStanza: (session, stanza) => router?.receive(session, stanza) })
  try {
    const sessions = server.c2s.registry
    const hooks = new HookTable(silent)
    const accounts = { exists: () => true } as unknown as AccountView // the router asks no more here
    const presence = new PresenceRouter({ domain: DOMAIN, sessions, hooks, exists: () => true })
    const storage = { submitted: 0, settled: () => undefined }
    const foreign = { serves: () => false, isConnected: () => false, deliver: () => false, connected: [] }
    router = new Router({ domain: DOMAIN, sessions, accounts, storage, presence, foreign, hooks, log: silent })
    const endpoint = router.endpoint('server')
    endpoint.onIq('get', '{urn:x}now', () => {
      throw new TypeError('secret detail')
    })
    endpoint.onIq('get', '{urn:x}later', () => Promise.reject(new TypeError('secret detail')))
    endpoint.onIq('get', '{urn:x}well', () => undefined)
    for (const client of [await bindTls(server, 'alice', 'a'), await bindWebSocket(server, 'alice', 'b')]) {
      const xmlns = 'websocket' in client ? " xmlns='jabber:client'" : ''
      for (const name of ['now', 'later']) {
        client.send(`<iq${xmlns} type='get' id='${name}' to='${DOMAIN}'><${name} xmlns='urn:x'/></iq>`)
        const [answer] = await client.expect(new RegExp(`<iq[^>]* type="error" id="${name}".*?</iq>`))
        expect(answer).toContain('<error type="cancel"><internal-server-error ')
        expect(answer).not.toContain('secret')
      }
      client.send(`<iq${xmlns} type='get' id='well' to='${DOMAIN}'><well xmlns='urn:x'/></iq>`)
      await client.expect(/type="result" id="well"/)
      client.destroy()
    }
  } finally {
    router?.close()
    await server.stop()
  }
})
