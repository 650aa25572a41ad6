/**
 * Attachments in the store, on a real SQLite file: the summary and what it tells of are written together or not at all,
 * and nothing that changes the one leaves the other behind. XEP-0470.
 */

import { expect, test } from 'vitest'
import { attachedIn } from '../../../modules/pubsub/attachment-counts.ts'
import { attachmentsOf, NS_ATTACHMENTS, NS_SUMMARY, summaryOf } from '../../../modules/pubsub/attachment-names.ts'
import { defaultConfig, type NodeConfig } from '../../../modules/pubsub/node-config.ts'
import { PUBLICATION_ORDER } from '../../../modules/pubsub/order.ts'
import { SHARED_SERVICE } from '../../../modules/pubsub/records.ts'
import { sqliteStore as store } from '../../../modules/pubsub/store.sqlite.ts'
import type { PublishAttachment } from '../../../modules/pubsub/store.ts'
import { call } from '../../../server/storage/storage.ts'
import { parseStored } from '../../../server/xml/parser.ts'
import { random, rounds } from '../../support/random.ts'
import { NO_PAST, opened, refused, root, snapshot, usePubsubStore } from './fixture.ts'

const BOUNDS = { itemsMax: 1_000, childrenMax: 100, payloadMaxBytes: 10_000 }
const CONFIG = { ...defaultConfig(BOUNDS), publishNodeFull: 'reject' } as const
const service = SHARED_SERVICE
const actorOf = (local: string) => ({ bareJid: `${local}@test`, isAdmin: false })
const nameOf = (itemId: string) => attachmentsOf('pubsub.test', 'n', itemId)

usePubsubStore()

const nodeIds = async () => (await snapshot()).nodes.map(({ nodeId }) => nodeId)

async function create(config: Partial<NodeConfig> = {}): Promise<void> {
  const node = { service, nodeId: 'n', creator: 'alice@test', nodesMax: 1 }
  await opened.storage.run(store.createNode, { ...node, config: { ...CONFIG, publishModel: 'open', ...config } })
}

const publish = (itemId: string) =>
  opened.storage.run(store.publishItem, {
    ...NO_PAST,
    ...{ service, nodeId: 'n', actor: actorOf('alice'), itemId, payload: '<p xmlns="urn:p"/>', payloadNs: 'urn:p' },
    ...{ preconditions: {}, isAuthorized: false, scope: undefined, ...BOUNDS },
  })

function attachment(local: string, itemId: string, inner: string): PublishAttachment {
  const payload = `<attachments xmlns="${NS_ATTACHMENTS}">${inner}</attachments>`
  return {
    ...NO_PAST,
    ...{ service, nodeId: nameOf(itemId), actor: actorOf(local), about: { nodeId: 'n', itemId }, payload },
    attached: attachedIn(parseStored(payload)),
    creator: 'pubsub.test',
    attachmentsConfig: { ...CONFIG, type: NS_ATTACHMENTS },
    summaryConfig: { ...CONFIG, type: NS_SUMMARY },
    attachmentsMax: 4,
    attachedItemsMax: 3,
    reactionsMax: 4,
  }
}
const attach = (local: string, itemId: string, inner: string) =>
  opened.storage.run(store.publishAttachment, attachment(local, itemId, inner))
const takeBack = (local: string, itemId: string, by = actorOf(local)) =>
  opened.storage.run(store.retractAttachment, {
    ...NO_PAST,
    ...{ service, nodeId: nameOf(itemId), about: { nodeId: 'n', itemId }, creator: 'pubsub.test' },
    ...{ actor: by, itemId: actorOf(local).bareJid },
  })
const reactions = (...texts: string[]) =>
  `<reactions>${texts.map((text) => `<reaction>${text}</reaction>`).join('')}</reactions>`

/** Items of a node by their ids; undefined: there is no such node. */
async function itemsOf(nodeId: string): Promise<Map<string, string> | undefined> {
  if (!(await nodeIds()).includes(nodeId)) return undefined
  const { items, count } = await opened.storage.run(store.readPage, {
    ...{ service, nodeId, visible: 'all', start: { at: 'start' }, order: PUBLICATION_ORDER, indexMax: 9, passedMax: 9 },
    ...{ lastSeq: Number.MAX_SAFE_INTEGER - 1, max: 100, maxChars: 1_000_000, withPayloads: true },
  })
  expect(count).toBe(items.length)
  return new Map(items.map(({ itemId, payload = '' }) => [itemId, payload]))
}
const summaries = () => itemsOf(summaryOf('n'))
const summary = (inner: string) => `<summary xmlns="${NS_SUMMARY}">${inner}</summary>`

test('an attachment and its summary are written together, and are there after a restart', async () => {
  await create()
  await publish('i')
  const { created, summary: change } = await attach('bob', 'i', `<noticed/>${reactions('👷')}`)
  expect(created).toMatchObject([
    { nodeId: summaryOf('n'), creator: 'pubsub.test', target: { nodeId: 'n', itemId: undefined } },
    { nodeId: nameOf('i'), creator: 'pubsub.test', target: { nodeId: 'n', itemId: 'i' } },
  ])
  const told = summary('<noticed count="1"/><reactions><reaction>👷</reaction></reactions>')
  expect(change).toMatchObject({ kind: 'published', payload: told })
  await opened.reopen()
  expect(await summaries()).toEqual(new Map([['i', told]]))
  expect([...((await itemsOf(nameOf('i'))) ?? [])].map(([id]) => id)).toEqual(['bob@test'])
  const { nodes, relations } = await snapshot()
  expect(nodes.filter(({ target }) => target)).toEqual(created)
  expect(relations).toMatchObject(created.map(({ nodeId }) => ({ nodeId, kind: 'link', target: 'n' })))
  expect((await attach('bob', 'i', `<noticed/>${reactions('👷')}`)).summary).toBeUndefined()
})

test('what is refused, or rolled back, leaves neither', async () => {
  await create()
  await publish('i')
  await attach('bob', 'i', reactions('a', 'b', 'c', 'd'))
  const before = [await summaries(), await itemsOf(nameOf('i'))]
  await expect(attach('carol', 'i', reactions('e'))).rejects.toMatchObject(refused('tooManyReactions'))
  const missing = call(store.deleteNode, { ...NO_PAST, service, nodeId: 'missing', actor: root })
  const changing = call(store.publishAttachment, attachment('carol', 'i', '<noticed/>'))
  await expect(opened.storage.submit([changing, missing])).rejects.toMatchObject(refused('nodeNotFound'))
  await publish('j')
  const making = call(store.publishAttachment, attachment('carol', 'j', '<noticed/>'))
  await expect(opened.storage.submit([making, missing])).rejects.toMatchObject(refused('nodeNotFound'))
  expect([await summaries(), await itemsOf(nameOf('i'))]).toEqual(before)
  expect(await nodeIds()).not.toContain(nameOf('j'))
  // Nor does the worker remember any of it.
  await attach('carol', 'j', '<noticed/>')
  expect((await summaries())?.get('j')).toBe(summary('<noticed count="1"/>'))
  expect((await itemsOf(nameOf('j')))?.size).toBe(1)
})

test('nodes are made for items that are there, up to their own bound, and as the target is', async () => {
  await create({ publishModel: 'subscribers' })
  await expect(attach('alice', 'i', '<noticed/>')).rejects.toMatchObject(refused('itemNotFound'))
  await publish('i')
  await expect(attach('bob', 'i', '<noticed/>')).rejects.toMatchObject(refused('mayNotPublish'))
  expect(await nodeIds()).toEqual(['n'])
  await attach('alice', 'i', '<noticed/>')
  const configure = (changes: Partial<NodeConfig>) =>
    opened.storage.run(store.configureNode, { ...NO_PAST, service, nodeId: 'n', actor: root, changes, itemsMax: 100 })
  await configure({ publishModel: 'open', accessModel: 'authorize' })
  const { nodes } = await snapshot()
  const models = nodes.map(({ config: { accessModel, publishModel } }) => [accessModel, publishModel])
  expect(models).toEqual(nodes.map(() => ['authorize', 'open']))
  for (const itemId of ['j', 'k', 'l']) await publish(itemId)
  await attach('alice', 'j', '<noticed/>')
  await attach('alice', 'k', '<noticed/>')
  await expect(attach('alice', 'l', '<noticed/>')).rejects.toMatchObject(refused('tooManyNodes'))
  // They count as no nodes of those that people make.
  const another = { service, nodeId: 'm', creator: 'alice@test', config: CONFIG, nodesMax: 2 }
  await opened.storage.run(store.createNode, another)
  await configure({ nodeType: 'collection' })
  expect(await nodeIds()).toEqual(['n', summaryOf('n'), 'm'])
  expect(await summaries()).toEqual(new Map())
})

test('a node that was called so before stands in the way until it is deleted', async () => {
  await create()
  await publish('i')
  const older = { service, nodeId: nameOf('i'), creator: 'bob@test', config: CONFIG, nodesMax: 9 }
  await opened.storage.run(store.createNode, older)
  await expect(attach('carol', 'i', '<noticed/>')).rejects.toMatchObject(refused('nodeExists'))
  await expect(takeBack('carol', 'i')).rejects.toMatchObject(refused('nodeNotFound'))
  await opened.storage.run(store.deleteNode, { ...NO_PAST, service, nodeId: nameOf('i'), actor: actorOf('bob') })
  await attach('carol', 'i', '<noticed/>')
})

test('whatever happens, the summary is that of what is attached to the items that are there', async () => {
  const chance = random(470)
  const items = ['i', 'j', 'k']
  const people = ['bob', 'carol', 'dave', 'erin']
  const step = async () => {
    const itemId = chance.pick(items)
    const local = chance.pick(people)
    const kind = chance.int(20)
    if (kind < 6) return publish(itemId)
    if (kind < 13)
      return attach(
        local,
        itemId,
        `${chance.int(2) ? '<noticed/>' : ''}${reactions(chance.pick(['a', 'b']), chance.pick(['b', 'c']))}`,
      )
    if (kind < 16) return takeBack(local, itemId, chance.pick([actorOf(local), root]))
    const actor = root
    if (kind === 16) return opened.storage.run(store.purgeNode, { ...NO_PAST, service, nodeId: nameOf(itemId), actor })
    if (kind === 17) return opened.storage.run(store.deleteNode, { ...NO_PAST, service, nodeId: nameOf(itemId), actor })
    if (kind === 18 && chance.int(3) === 0)
      return opened.storage.run(store.purgeNode, { ...NO_PAST, service, nodeId: 'n', actor })
    const own = { actor, itemId, authorized: undefined }
    return opened.storage.run(store.retractItem, { ...NO_PAST, service, nodeId: 'n', ...own })
  }
  await create({ maxItems: 2, publishNodeFull: 'retract-oldest' })
  let refusals = 0
  for (let round = 0; round < rounds(150); round++) {
    await step().catch(() => refusals++)
    const kept = [...((await itemsOf('n')) ?? []).keys()]
    const told = new Map<string, string>()
    for (const itemId of items) {
      const attachments = await itemsOf(nameOf(itemId))
      // What is gone has nothing attached to it.
      if (attachments) expect(kept).toContain(itemId)
      if (attachments?.size) told.set(itemId, recount([...attachments.values()]))
    }
    const written = [...((await summaries()) ?? [])].map(([itemId, payload]) => [itemId, sorted(payload)] as const)
    expect(new Map(written)).toEqual(told)
  }
  expect(refusals).toBeLessThan(rounds(150))
})

function recount(payloads: readonly string[]): string {
  const all = payloads.map((payload) => attachedIn(parseStored(payload)))
  const counts = ['a', 'b', 'c'].map(
    (each) => [each, all.filter((one) => one.reactions.includes(each)).length] as const,
  )
  const noticed = all.filter(({ isNoticed }) => isNoticed).length
  return JSON.stringify([noticed, counts.filter(([, count]) => count > 0)])
}

function sorted(payload: string): string {
  const noticed = Number(/noticed count="(\d+)"/.exec(payload)?.[1] ?? 0)
  const counts = [...payload.matchAll(/<reaction(?: count="(\d+)")?>(\w)/g)]
  const byText = counts.map(([, count = '1', text = '']) => [text, Number(count)] as const)
  return JSON.stringify([noticed, byText.sort(([one], [other]) => (one < other ? -1 : 1))])
}
