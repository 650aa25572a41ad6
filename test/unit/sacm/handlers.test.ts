/** Handlers of directed topics: oldest first, per side, ended with their session. SACM-XMPP §2, Directed request. */

import { expect, test } from 'vitest'
import { Handlers } from '../../../modules/sacm/handlers.ts'
import type { SessionHandle } from '../../../server/module/api.ts'

/** Handlers know a session by its identity alone. */
const session = (id: string) => ({ id }) as unknown as SessionHandle

test('the oldest comes first, and each side has its own', () => {
  const handlers = new Handlers(() => 10)
  const [a, b] = [session('a'), session('b')]
  handlers.add('/orchestrator/c1', 'orchestrator', a)
  handlers.add('/orchestrator/c1', 'orchestrator', b)
  handlers.add('/orchestrator/c1', 'orchestrator', a)
  handlers.add('/orchestrator/c1', 'component', b)
  expect(handlers.of('/orchestrator/c1', 'orchestrator')).toEqual([a, b])
  expect(handlers.of('/orchestrator/c1', 'component')).toEqual([b])
  expect(handlers.remove('/orchestrator/c1', 'orchestrator', a)).toBe(true)
  expect(handlers.remove('/orchestrator/c1', 'orchestrator', a)).toBe(false)
  expect(handlers.of('/orchestrator/c1', 'orchestrator')).toEqual([b])
  handlers.removeSession(b)
  expect(handlers.of('/orchestrator/c1', 'orchestrator')).toEqual([])
  expect(handlers.of('/orchestrator/c1', 'component')).toEqual([])
})

test('a session handles a bounded number of topics', () => {
  const handlers = new Handlers(() => 2)
  const a = session('a')
  handlers.add('/1/collect', 'component', a)
  handlers.add('/2/collect', 'component', a)
  expect(() => handlers.add('/3/collect', 'component', a)).toThrow(/at most 2/)
  handlers.remove('/1/collect', 'component', a)
  handlers.add('/3/collect', 'component', a)
  expect(handlers.of('/3/collect', 'component')).toEqual([a])
})
