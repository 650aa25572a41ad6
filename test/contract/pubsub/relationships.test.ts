/** Relationships of nodes in PubsubStore's contract: the forest, what moves with what, and whom parents keep out. XEP-0496 */

import { expect, test } from 'vitest'
import type { NodeConfig } from '../../../modules/pubsub/node-config.ts'
import type { RelationshipChanges } from '../../../modules/pubsub/relationship-fields.ts'
import type { Affiliation } from '../../../modules/pubsub/rules.ts'
import { sqliteStore as store } from '../../../modules/pubsub/store.sqlite.ts'
import {
  alice,
  at,
  BOUNDS,
  bob,
  create,
  NO_PAST,
  n,
  opened,
  refused,
  root,
  snapshot,
  usePubsubStore,
} from './fixture.ts'

usePubsubStore()

const relations = async () => (await snapshot()).relations
const link = (nodeId: string, target: string) => ({ ...at(nodeId), kind: 'link', target })
const parent = (nodeId: string, target: string) => ({ ...at(nodeId), kind: 'parent', target })

const remove = (nodeId: string, actor = alice) =>
  opened.storage.run(store.deleteNode, { ...NO_PAST, ...at(nodeId), actor })
const relate = (nodeId: string, changes: RelationshipChanges, actor = alice, depthMax = 4) =>
  opened.storage.run(store.relate, { ...at(nodeId), actor, changes, depthMax })
const publish = (nodeId: string, itemId: string, actor = alice) =>
  opened.storage.run(store.publishItem, {
    ...NO_PAST,
    ...at(nodeId),
    actor,
    itemId,
    payload: '<p xmlns="urn:p"/>',
    payloadNs: 'urn:p',
    preconditions: {},
    isAuthorized: false,
    scope: undefined,
    ...BOUNDS,
  })

test('are kept over a restart, until they are taken back or either node goes', async () => {
  for (const nodeId of ['a', 'b', 'n']) await create(nodeId)
  expect(await relate('b', { parent: 'a' })).toEqual({ ...at('b'), relation: parent('b', 'a') })
  expect(await relate('n', { link: 'b' })).toEqual({ ...at('n'), relation: link('n', 'b') })
  await opened.reopen()
  expect(await relations()).toEqual([parent('b', 'a'), link('n', 'b')])
  expect(await relate('b', { parent: '' })).toEqual({ ...at('b'), relation: undefined })
  expect(await relations()).toEqual([link('n', 'b')])
  expect(await remove('n')).toEqual({ nodes: [n], unarchived: 0 })
  expect(await relations()).toEqual([])
})

test('make a linking node stand where its target does, which nobody sets there', async () => {
  for (const nodeId of ['a', 'b', 'n']) await create(nodeId)
  await relate('b', { parent: 'a' })
  await relate('n', { parent: 'b' })
  await expect(relate('n', { link: 'b' })).rejects.toMatchObject(refused('parentFixed'))
  // A form sent back whole says what was there, or what is there then.
  expect(await relate('n', { link: 'b', parent: '' })).toMatchObject({ relation: link('n', 'b') })
  expect(await relate('n', { link: 'b', parent: 'a' })).toMatchObject({ relation: link('n', 'b') })
  for (const other of ['b', ''])
    await expect(relate('n', { parent: other })).rejects.toMatchObject(refused('parentFixed'))
  expect(await relate('n', { link: '' })).toMatchObject({ relation: parent('n', 'a') })
})

test('have no cycle, of whatever kinds', async () => {
  for (const nodeId of ['a', 'b', 'n']) await create(nodeId)
  await relate('b', { parent: 'a' })
  await relate('n', { link: 'b' })
  const all = [
    ['a', { parent: 'b' }],
    ['a', { link: 'b' }],
    ['a', { link: 'n' }],
    ['b', { link: 'n', parent: '' }],
    ['a', { parent: 'a' }],
  ] as const
  for (const [nodeId, changes] of all)
    await expect(relate(nodeId, changes)).rejects.toMatchObject({ key: expect.stringMatching(/Cycle|parentFixed/) })
  await expect(relate('a', { parent: 'n' })).rejects.toMatchObject(refused('relationshipCycle'))
  expect(await relations()).toEqual([parent('b', 'a'), link('n', 'b')])
})

test('are so deep at most, whichever end is moved', async () => {
  for (const nodeId of ['a', 'b', 'n']) await create(nodeId)
  await relate('b', { parent: 'a' }, alice, 1)
  await expect(relate('n', { parent: 'b' }, alice, 1)).rejects.toMatchObject(refused('relationshipsTooDeep'))
  await expect(relate('a', { parent: 'n' }, alice, 1)).rejects.toMatchObject(refused('relationshipsTooDeep'))
  await relate('a', { parent: 'n' }, alice, 2)
})

test('take a whole branch along, whoever owns what is in it', async () => {
  await create('a', { publishModel: 'open' })
  await create('b')
  await create('n', {}, bob)
  await relate('n', { parent: 'a' }, bob)
  await relate('b', { link: 'n' })
  await publish('b', '1')
  expect(await remove('a')).toEqual({ nodes: [at('a'), n, at('b')], unarchived: 0 })
  expect((await snapshot()).nodes).toEqual([])
  await create('b')
  expect(await relations()).toEqual([])
})

test('are for owners, to what they may read, and below where they may publish', async () => {
  await create('a')
  await create('b', { accessModel: 'whitelist' })
  await create('n', {}, bob)
  await expect(relate('n', { link: 'a' })).rejects.toMatchObject(refused('notOwner'))
  await expect(relate('n', { link: 'b' }, bob)).rejects.toMatchObject(refused('mayNotRelate'))
  await expect(relate('n', { parent: 'a' }, bob)).rejects.toMatchObject(refused('mayNotRelate'))
  await expect(relate('n', { link: 'none' }, bob)).rejects.toMatchObject(refused('nodeNotFound'))
  await relate('n', { link: 'a' }, bob)
  expect(await relate('n', { link: 'b' }, root)).toMatchObject({ relation: link('n', 'b') })
})

test('let nobody subscribe, publish or retract whom a parent does not, as it is now', async () => {
  await create('p', { publishModel: 'open' })
  await create('n', {}, bob)
  await publish('n', '1', bob)
  await relate('n', { parent: 'p' }, bob)
  await publish('n', '2', bob)
  const configure = (changes: Partial<NodeConfig>) =>
    opened.storage.run(store.configureNode, { ...NO_PAST, ...at('p'), actor: alice, changes, itemsMax: 9 })
  const affiliate = (affiliation: Affiliation) =>
    opened.storage.run(store.modifyAffiliations, {
      ...at('p'),
      actor: alice,
      changes: [{ bareJid: 'bob@test', affiliation }],
      perNodeMax: 9,
    })
  const subscribe = () =>
    opened.storage.run(store.subscribe, {
      ...n,
      actor: bob,
      jid: 'bob@test',
      address: 'pubsub.test',
      subid: '1',
      options: undefined,
      isPublic: false,
      leaseMaxMs: 1,
      isAuthorized: false,
      perNodeMax: 9,
      perAccountMax: 9,
    })
  await configure({ publishModel: 'publishers' })
  await expect(publish('n', '3', bob)).rejects.toMatchObject(refused('mayNotPublish'))
  await affiliate('publisher')
  await publish('n', '4', bob)
  await affiliate('outcast')
  await expect(publish('n', '5', bob)).rejects.toMatchObject(refused('mayNotPublish'))
  await expect(subscribe()).rejects.toMatchObject(refused('outcast'))
  await affiliate('none')
  await configure({ accessModel: 'authorize', publishModel: 'open' })
  await expect(subscribe()).rejects.toMatchObject(refused('subscriptionRequired'))
  // By a link, the parent is that of the target.
  await create('l', { publishModel: 'open' }, bob)
  await relate('l', { link: 'n' }, root)
  await publish('l', '1', bob)
  await configure({ publishModel: 'publishers' })
  await expect(publish('l', '2', bob)).rejects.toMatchObject(refused('mayNotPublish'))
  await relate('n', { parent: '' }, bob)
  await publish('l', '2', bob)
})
