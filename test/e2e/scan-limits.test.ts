/** A query of the repository that looks at more than it may: it is told so, and a narrower one is served. */

import { expect, test } from 'vitest'
import type { Client } from '../../clients/core/client.ts'
import { publish } from '../../clients/core/pubsub.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { childElements, el } from '../../server/xml/element.ts'
import { ownClient } from '../support/own-client.ts'
import { startServer } from '../support/server.ts'

const ROWS = 1_500
const AT = '2026-01-01T00:00:00Z'
const NS_REPOSITORY = 'urn:sacm-xmpp:repository:0'

test('more rows than limits.scanRows: policy-violation; more queries than limits.scanQueue: resource-constraint', async () => {
  const server = await startServer({ set: { 'limits.scanRows': '1000', 'limits.scanQueue': '1' } })
  const clients: Client[] = []
  const login = async (name: string, role: string): Promise<Client> => {
    await server.addUser(`${name}@localhost`, 'scan-limits', [role])
    const client = ownClient(server, name, 'x', 'scan-limits')
    clients.push(client)
    await client.start()
    return client
  }
  try {
    const collector = await login('collector', 'collector')
    const names = Array.from({ length: ROWS }, (_, at) => `os.setting${at}`)
    const payload = el(
      'report',
      { xmlns: 'urn:sacm-xmpp:posture:0', collected: AT, method: 'self', scope: 'full' },
      el('endpoint', {}, el('identifier', { type: 'machine-id', value: 'scan-limits' })),
      el('covers', { prefix: 'os.' }),
      ...names.map((name) => el('attribute', { name, type: 'string', collected: AT, status: 'exists' }, 'x')),
    )
    await publish(collector, 'pubsub.localhost', '/repository/posture', { id: 'r1', payload })
    const reader = await login('reader', 'consumer')
    const ask = (name: string) =>
      reader.request('get', 'repository.localhost', el('posture', { xmlns: NS_REPOSITORY, name }))
    const error: unknown = await ask('os.*').catch((thrown: unknown) => thrown)
    if (!(error instanceof StanzaError)) throw error
    expect(error).toMatchObject({ type: 'modify', condition: 'policy-violation' })
    expect(error.message).toMatch(/looks at more than 1000 rows; narrow it/)
    const answer = await ask('os.setting7')
    expect(answer && childElements(answer).length).toBeGreaterThan(0)

    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => ask('os.setting7')))
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []))
    expect(refused.length).toBeGreaterThan(0)
    expect(refused.length).toBeLessThan(50)
    for (const reason of refused) expect(reason).toMatchObject({ type: 'wait', condition: 'resource-constraint' })
    expect(server.log()).toMatch(/"storage_unavailable","while":"reading","reason":"queue-full".*limits\.scanQueue/)
  } finally {
    await Promise.all(clients.map((client) => client.close()))
    await server.stop()
  }
})
