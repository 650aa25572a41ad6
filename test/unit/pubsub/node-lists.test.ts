/** Pages of a service's nodes are the same as if all nodes were looked at, whatever became of them. XEP-0060 §5.2, XEP-0059 */

import { expect, test } from 'vitest'
import { Claims } from '../../../modules/pubsub/claims.ts'
import { pubsubConfig } from '../../../modules/pubsub/config.ts'
import { listItems } from '../../../modules/pubsub/discovery.ts'
import { defaultConfig } from '../../../modules/pubsub/node-config.ts'
import { type NodeRecord, SHARED_SERVICE } from '../../../modules/pubsub/records.ts'
import { Replica } from '../../../modules/pubsub/replica.ts'
import { maySee } from '../../../modules/pubsub/rules.ts'
import { fallbacks } from '../../../server/option.ts'
import { parseJid } from '../../../server/stanza/jid.ts'
import { pageOfSorted, type RsmRequest } from '../../../server/stanza/rsm.ts'
import { el } from '../../../server/xml/element.ts'
import { type Random, random, rounds } from '../../support/random.ts'

const config = { ...fallbacks(pubsubConfig), pageMaxItems: 4 }
const names = Array.from({ length: 30 }, (_, at) => `n${String(at).padStart(2, '0')}`)
const ref = (nodeId: string) => ({ service: SHARED_SERVICE, nodeId })
const bob = { bareJid: 'bob@test', isAdmin: false }

function record(nodeId: string, accessModel: NodeRecord['config']['accessModel'], createdAt: number): NodeRecord {
  const node = { ...defaultConfig(config), accessModel }
  return { ...ref(nodeId), creator: 'alice@test', createdAt, config: node, seenType: undefined }
}

function change(from: Random, replica: Replica): void {
  const [nodeId, other] = [from.pick(names), from.pick(names)]
  const model = from.pick(['open', 'open', 'authorize', 'whitelist'] as const)
  const known = replica.get(ref(nodeId))
  const changes = known ? from.int(6) : 'create'
  // Often two are made at one time.
  const createdAt = known?.record.createdAt ?? from.int(20)
  const link = { service: SHARED_SERVICE, parent: nodeId, child: other }
  // Downwards only, so that there is no cycle.
  const isPut = nodeId < other && from.int(2) === 0
  if (changes === 'create') replica.created(record(nodeId, model, createdAt))
  else if (changes === 0) replica.deleted(ref(nodeId))
  else if (changes === 1) {
    const configured = {
      node: record(nodeId, model, createdAt),
      ended: [],
      approved: [],
      pruned: [],
      isPurged: false,
      endedBeside: [],
      unarchived: 0,
    }
    replica.configured(configured)
  } else if (changes === 2) replica.relinked(isPut ? { added: [link], removed: [] } : { added: [], removed: [link] })
  else if (changes === 3) {
    const relation = { ...ref(other), kind: from.pick(['link', 'parent'] as const), target: nodeId }
    replica.related({ ...ref(other), relation: isPut ? relation : undefined })
  } else {
    const affiliation = from.pick(['outcast', 'member', 'none'] as const)
    const changed = [{ ...ref(nodeId), bareJid: bob.bareJid, affiliation }]
    replica.affiliationsModified({ ...ref(nodeId), changed, refused: [], ended: [], approved: [], endedBeside: [] })
  }
}

function shownToBob(replica: Replica): string[] {
  const sees = (nodeId: string) => {
    const node = replica.get(ref(nodeId))
    return node !== undefined && maySee(node.record.config, replica.standing(node, bob))
  }
  return names.filter((nodeId) => {
    const node = replica.get(ref(nodeId))
    return sees(nodeId) && ![...(node?.parents ?? [])].some((each) => sees(each.record.nodeId))
  })
}

const pages = (from: Random): RsmRequest =>
  from.pick([
    { max: undefined },
    { max: 0 },
    { max: 3, before: '' },
    { max: 3, after: from.pick(names) },
    { max: 3, before: from.pick(names) },
    { max: 3, index: from.int(32) },
  ])

test.each(Array.from({ length: rounds(5) }, (_, at) => at + 1))('nodes of seed %i', async (seed) => {
  const from = random(seed)
  const replica = new Replica()
  // Only what a list of nodes uses of the parts.
  const parts = { replica, claims: new Claims(), config: () => config } as unknown as Parameters<typeof listItems>[0]
  const [to, jid] = [parseJid('pubsub.test'), parseJid('bob@test/1')]
  const asker = { jid, service: SHARED_SERVICE, address: 'pubsub.test', actor: bob }
  for (let round = 0; round < 600; round += 1) {
    change(from, replica)
    const page = pages(from)
    const listed = await listItems(parts, { to, asker: jid, node: undefined, page, payload: el('query') }, asker)
    const expected = pageOfSorted(shownToBob(replica), (nodeId) => nodeId, page, config.pageMaxItems)
    expect({ ...listed, items: listed?.items.map(({ node }) => node) }, JSON.stringify(page)).toEqual(expected)
    const isDescending = from.int(2) === 0
    const place = `${String(from.int(20)).padStart(16, '0')} ${from.pick(names)}`
    const request = { ...page, ...(page.after && { after: place }), ...(page.before && { before: place }) }
    const order = el('order', { xmlns: 'urn:xmpp:order-by:1', by: 'creation', desc: String(isDescending) })
    const query = { to, asker: jid, node: undefined, page: request, payload: el('query', {}, order) }
    const ordered = await listItems(parts, query, asker)
    const keys = shownToBob(replica).map((nodeId) => {
      const made = String(replica.get(ref(nodeId))?.record.createdAt ?? 0)
      return `${made.padStart(16, '0')} ${nodeId}`
    })
    expect(
      { ...ordered, items: ordered?.items.map(({ node }) => node) },
      JSON.stringify({ request, isDescending }),
    ).toEqual(byCreation(keys, request, isDescending))
  }
})

/** The page that is asked for, as it says it: the whole in order, and what of it is meant. */
function byCreation(keys: readonly string[], request: RsmRequest, isDescending: boolean) {
  const all = isDescending ? keys.toSorted().reverse() : keys.toSorted()
  const { max = config.pageMaxItems, after, before, index = 0 } = request
  const isBehind = (key: string, place: string) => (isDescending ? key < place : key > place)
  const rest = all.filter((key, at) => {
    if (after !== undefined) return isBehind(key, after)
    return before ? isBehind(before, key) : before === '' || at >= index
  })
  const size = Math.min(max, config.pageMaxItems)
  const found = before === undefined ? rest.slice(0, size) : rest.slice(Math.max(0, rest.length - size))
  const [first, last] = [found[0], found.at(-1)]
  const at = first === undefined ? {} : { index: all.indexOf(first) }
  return { items: found.map((key) => key.slice(17)), count: all.length, ...at, first, last }
}
