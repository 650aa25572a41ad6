/** Administration and registration by slixmpp's own plugins, and what it says of itself verified by the server. */

import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runForeign } from '../support/foreign-client.ts'
import { startServer } from '../support/server.ts'
import { needTool } from '../support/tools.ts'

const PASSWORD = 'correct horse battery staple'

test('slixmpp registers, changes its password, is disabled and enabled, and leaves', async (context) => {
  needTool(context, ['/usr/bin/python3', '-c', 'import slixmpp'], 'apt-get install python3-slixmpp')
  const server = await startServer({ set: { 'registration.open': 'true', 'log.level': 'debug' } })
  try {
    await server.addUser(`root@${server.domain}`, PASSWORD, ['admin'])
    const script = join(import.meta.dirname, 'clients/slixmpp_admin.py')
    const place = [server.host, String(server.ports.c2s), server.domain, server.caFile]
    const outcome = await runForeign(server, '/usr/bin/python3', [script, ...place, PASSWORD], { timeoutMs: 90_000 })
    expect(outcome).toMatchObject({
      commands: expect.arrayContaining(['add-user', 'announce', 'disable-user', 'get-online-users-list', 'shutdown']),
      uptime: true,
      online: [`newcomer@${server.domain}`, `root@${server.domain}`],
      announced: ['2 clients were told.'],
      heard: 'Hello all',
      'password changed': true,
      disabled: ['1 disabled.'],
      'may log in': false,
      enabled: ['1 re-enabled.'],
      registered: '2',
    })
    // Its hash is verified: XEP-0115 §5.4.
    expect(server.log()).toMatch(/"caps_verified"/)
    expect(server.log()).not.toMatch(/caps_not_verified/)
  } finally {
    expect(await server.stop()).toBe(0)
  }
})
