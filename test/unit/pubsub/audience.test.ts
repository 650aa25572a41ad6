/** What the audience of an account's nodes costs. */

import { expect, test } from 'vitest'
import { defaultConfig } from '../../../modules/pubsub/node-config.ts'
import type { NodeView, Subscriber } from '../../../modules/pubsub/node-view.ts'
import { noAudience } from '../../support/no-accounts.ts'

const BOUNDS = { itemsMax: 9, payloadMaxBytes: 9_999, childrenMax: 9, isAccount: true }

/** Counts who asks for all. */
class Subscribers extends Map<string, Subscriber> {
  walks = 0
  override values() {
    this.walks += 1
    return super.values()
  }
}

test('whom a parent lets through is known without a walk over its subscribers', () => {
  const asked: string[] = []
  const audience = noAudience({
    isSubscribed: (bareJid) => {
      asked.push(bareJid)
      return bareJid === 'bob@test'
    },
  })
  const subscribers = new Subscribers()
  const view = (accessModel: 'authorize' | 'open', relation: NodeView['relation']): NodeView => {
    const config = { ...defaultConfig(BOUNDS), accessModel }
    const record = {
      service: 'alice@test',
      nodeId: 'n',
      creator: 'alice@test',
      createdAt: 0,
      config,
      seenType: undefined,
    }
    const nothing = { pending: new Map(), parents: new Set<NodeView>(), children: new Set<NodeView>() }
    const alone = { target: undefined, beside: undefined, related: undefined }
    return { record, affiliations: new Map(), subscribers, relation, ...nothing, ...alone }
  }
  const node = view('open', { kind: 'parent', to: view('authorize', undefined) })
  expect(audience.mayRead(node, 'bob@test')).toBe(true)
  expect(audience.mayRead(node, 'carol@test')).toBe(false)
  expect(asked).toEqual(['bob@test', 'carol@test'])
  expect(subscribers.walks).toBe(0)
})
