/** Stores a posture report whole: its endpoint, its item id, and what it changes in the rows. SACM-XMPP §3, Reports. */

import { and, asc, eq, gte, isNull, lt, ne, sql } from 'drizzle-orm'
import { type Db, type Operation, Refusal, type Tx } from '../../server/module/api.ts'
import { SHARED_SCOPE } from '../pubsub/api.ts'
import { identifyEndpoint, requireReach } from './endpoint.sqlite.ts'
import type { PostureAttribute, PostureReport } from './model.ts'
import { isSameValue, prefixEnd } from './rules.ts'
import { attributes, parts, reports } from './schema.sqlite.ts'
import type { SavedReport, SaveReport } from './store.ts'

const PART_LIFETIME_MS = 3_600_000
/** Sets of parts that one collector may have open. */
const MAX_OPEN_SETS = 16

const { placeholder } = sql

const queries = (db: Db) => {
  const currentOf = and(eq(attributes.endpoint, placeholder('endpoint')), isNull(attributes.validUntil))
  const compared = {
    seq: attributes.seq,
    name: attributes.name,
    value: attributes.value,
    type: attributes.type,
    status: attributes.status,
    reason: attributes.reason,
    lastSeen: attributes.lastSeen,
  }
  return {
    report: db
      .select({ hash: reports.hash, collector: reports.collector })
      .from(reports)
      .where(eq(reports.id, placeholder('id')))
      .prepare(),
    insertReport: db
      .insert(reports)
      .values({
        id: placeholder('id'),
        hash: placeholder('hash'),
        endpoint: placeholder('endpoint'),
        collector: placeholder('collector'),
        received: placeholder('received'),
      })
      .prepare(),
    current: db
      .select(compared)
      .from(attributes)
      .where(and(currentOf, eq(attributes.name, placeholder('name'))))
      .prepare(),
    allCurrent: db.select(compared).from(attributes).where(currentOf).prepare(),
    currentUnder: db
      .select(compared)
      .from(attributes)
      .where(
        and(
          currentOf,
          gte(attributes.name, placeholder('from')),
          lt(attributes.name, placeholder('to')),
          ne(attributes.status, 'does-not-exist'),
        ),
      )
      .prepare(),
    close: db
      .update(attributes)
      .set({ validUntil: sql`${placeholder('now')}` })
      .where(sql`${attributes.seq} IN (SELECT value FROM json_each(${placeholder('seqs')}))`)
      .prepare(),
    seen: db
      .update(attributes)
      .set({ lastSeen: sql`max(${attributes.lastSeen}, ${placeholder('seen')})` })
      .where(sql`${attributes.seq} IN (SELECT value FROM json_each(${placeholder('seqs')}))`)
      .prepare(),
    // All rows in one statement: what differs from row to row as JSON (NewRow), in the order of the table's columns.
    insert: db
      .insert(attributes)
      .select(
        sql`SELECT NULL, ${placeholder('endpoint')}, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4,
          value ->> 5, ${placeholder('received')}, value ->> 6, ${placeholder('collector')}, ${placeholder('method')},
          ${placeholder('format')}, ${placeholder('report')}, ${placeholder('received')}, value ->> 7
          FROM json_each(${placeholder('rows')})`,
      )
      .prepare(),
    dropOldReports: db
      .delete(reports)
      .where(
        sql`${reports.id} IN (SELECT ${parts.item} FROM ${parts} WHERE ${parts.received} < ${placeholder('since')})`,
      )
      .prepare(),
    dropOldParts: db
      .delete(parts)
      .where(lt(parts.received, placeholder('since')))
      .prepare(),
    openSets: db
      .select({ count: sql<number>`count(DISTINCT ${parts.set})` })
      .from(parts)
      .where(and(eq(parts.collector, placeholder('collector')), ne(parts.set, placeholder('set'))))
      .prepare(),
    partsOf: db
      .select()
      .from(parts)
      .where(and(eq(parts.collector, placeholder('collector')), eq(parts.set, placeholder('set'))))
      .orderBy(asc(parts.number))
      .prepare(),
    insertPart: db
      .insert(parts)
      .values({
        collector: placeholder('collector'),
        set: placeholder('set'),
        number: placeholder('number'),
        of: placeholder('of'),
        endpoint: placeholder('endpoint'),
        received: placeholder('received'),
        item: placeholder('item'),
        report: placeholder('report'),
      })
      .prepare(),
    deleteParts: db
      .delete(parts)
      .where(and(eq(parts.collector, placeholder('collector')), eq(parts.set, placeholder('set'))))
      .prepare(),
  }
}

/**
 * Stores a report: rows, history and its id, or nothing. Hands the endpoint on as the item's scope.
 * @throws Refusal reportRepeated (same id, same bytes), reportIdTaken, endpointNotGranted, partMismatch, tooManySets
 */
export const saveReport: Operation<SaveReport, SavedReport> = {
  name: 'repository.saveReport',
  kind: 'write',
  run(tx, args) {
    const q = tx.use(queries)
    const known = q.report.get({ id: args.itemId })
    if (known) {
      const isRepeat = known.hash === args.hash && known.collector === args.collector
      throw new Refusal(isRepeat ? 'reportRepeated' : 'reportIdTaken')
    }
    // Written by the main thread with JSON.stringify from a parsed report.
    const report = JSON.parse(args.report) as PostureReport
    const endpoint = identifyEndpoint(tx, report.identifiers)
    const isSelf = requireReach(tx, args.collector, args.reach, endpoint.id)
    tx.shared.set(SHARED_SCOPE, endpoint.id)
    const received = endpoint.seen
    q.insertReport.run({
      id: args.itemId,
      hash: args.hash,
      endpoint: endpoint.id,
      collector: args.collector,
      received,
    })
    const whole = report.part ? collectParts(tx, args, report, endpoint.id, received) : report
    const outcome = whole && applyReport(tx, args, whole, endpoint.id, received)
    return { endpoint: endpoint.id, isNew: endpoint.isNew, isSelf, isWaiting: !whole, ...(outcome ?? NOTHING) }
  },
}

/** Forgets parts whose set was not completed within the hour, and that their reports were sent. */
export const dropOldParts: Operation<undefined, number> = {
  name: 'repository.dropOldParts',
  kind: 'write',
  run: (tx) => dropParts(tx),
}

function dropParts(tx: Tx): number {
  const q = tx.use(queries)
  const since = tx.now - PART_LIFETIME_MS
  q.dropOldReports.run({ since })
  return q.dropOldParts.run({ since }).changes
}

/** Keeps a part, and gives the whole report once all are there. */
function collectParts(
  tx: Tx,
  args: SaveReport,
  report: PostureReport,
  endpoint: string,
  received: number,
): PostureReport | undefined {
  const q = tx.use(queries)
  if (!report.part) return report
  const { set, number, of } = report.part
  dropParts(tx)
  const before = q.partsOf.all({ collector: args.collector, set })
  if (before.length === 0 && (q.openSets.get({ collector: args.collector, set })?.count ?? 0) >= MAX_OPEN_SETS) {
    throw new Refusal('tooManySets')
  }
  const waiting = before.map((row) => ({ ...row, content: JSON.parse(row.report) as PostureReport }))
  const fits = waiting.every(
    (row) =>
      row.of === of &&
      row.number !== number &&
      row.endpoint === endpoint &&
      row.content.collected === report.collected &&
      row.content.method === report.method &&
      row.content.scope === report.scope,
  )
  if (!fits) throw new Refusal('partMismatch')
  if (waiting.length + 1 < of) {
    const { collector } = args
    q.insertPart.run({ collector, set, number, of, endpoint, received, item: args.itemId, report: args.report })
    return undefined
  }
  q.deleteParts.run({ collector: args.collector, set })
  const all = [...waiting.map((row) => ({ number: row.number, content: row.content })), { number, content: report }]
  const contents = all.sort((a, b) => a.number - b.number).map(({ content }) => content)
  // A name that stands in two parts counts as its last part says.
  const byName = new Map(contents.flatMap((content) => content.attributes.map((each) => [each.name, each] as const)))
  return { ...report, covers: contents.flatMap(({ covers }) => covers), attributes: [...byName.values()] }
}

type Outcome = Pick<SavedReport, 'added' | 'changed' | 'same' | 'removed' | 'outdated'>
const NOTHING: Outcome = { added: 0, changed: 0, same: 0, removed: 0, outdated: 0 }

type NewRow = readonly [
  name: string,
  value: string | null,
  type: string,
  status: string,
  reason: string | null,
  collected: number,
  lastSeen: number,
  validUntil: number | null,
]

/** Turns a whole report into rows. DM-013: sameness moves `lastSeen`, a change closes a row and adds one. */
function applyReport(tx: Tx, args: SaveReport, report: PostureReport, endpoint: string, received: number): Outcome {
  const q = tx.use(queries)
  const outcome = { ...NOTHING }
  const rows: NewRow[] = []
  const closed: number[] = []
  /** Row numbers by the moment at which they were last found so. */
  const seen = new Map<number, number[]>()

  const add = (attribute: PostureAttribute, collected: number, validUntil: number | null) => {
    const { name, value = null, type, status, reason = null } = attribute
    rows.push([name, value, type, status, reason, collected, Math.min(collected, received), validUntil])
  }

  const currentOf = readCurrent(tx, endpoint, report.attributes.length)
  for (const attribute of report.attributes) {
    const collected = attribute.collected ?? report.collected
    // A collector whose clock runs ahead must not outrank every later report.
    const lastSeen = Math.min(collected, received)
    const current = currentOf(attribute.name)
    if (!current) {
      add(attribute, collected, null)
      outcome.added += 1
    } else if (isSame(current, attribute)) {
      const group = seen.get(lastSeen)
      if (group) group.push(current.seq)
      else seen.set(lastSeen, [current.seq])
      outcome.same += 1
    } else if (lastSeen < current.lastSeen) {
      // Late news: history, with a span of no length.
      add(attribute, collected, received)
      outcome.outdated += 1
    } else {
      closed.push(current.seq)
      add(attribute, collected, null)
      outcome.changed += 1
    }
  }

  const names = new Set(report.attributes.map(({ name }) => name))
  for (const prefix of report.covers) {
    for (const current of q.currentUnder.all({ endpoint, from: prefix, to: prefixEnd(prefix) })) {
      if (names.has(current.name) || Math.min(report.collected, received) < current.lastSeen) continue
      closed.push(current.seq)
      // The row's type came out of a parsed report.
      const type = current.type as PostureAttribute['type']
      add({ name: current.name, value: undefined, type, status: 'does-not-exist' }, report.collected, null)
      names.add(current.name)
      outcome.removed += 1
    }
  }

  for (const [lastSeen, seqs] of seen) q.seen.run({ seen: lastSeen, seqs: JSON.stringify(seqs) })
  // Closed before the new ones come: one row of a name is current at any time.
  if (closed.length > 0) q.close.run({ now: received, seqs: JSON.stringify(closed) })
  if (rows.length > 0) {
    const { collector, format, itemId } = args
    const rowsText = JSON.stringify(rows)
    q.insert.run({ endpoint, received, collector, method: report.method, format, report: itemId, rows: rowsText })
  }
  return outcome
}

interface CurrentRow {
  readonly seq: number
  readonly name: string
  readonly value: string | null
  readonly type: string
  readonly status: string
  readonly reason: string | null
  readonly lastSeen: number
}

/** Above this many names, one read of everything current is cheaper than one read each. */
const READ_ALL_FROM = 100

/** What is current of an endpoint, by name. A report holds a name once, so what it changes is not asked again. */
function readCurrent(tx: Tx, endpoint: string, names: number): (name: string) => CurrentRow | undefined {
  const q = tx.use(queries)
  if (names < READ_ALL_FROM) return (name) => q.current.get({ endpoint, name })
  const rows = new Map(q.allCurrent.all({ endpoint }).map((row) => [row.name, row]))
  return (name) => rows.get(name)
}

function isSame(row: CurrentRow, attribute: PostureAttribute): boolean {
  return isSameValue(
    {
      value: row.value ?? undefined,
      // Both came out of a parsed report.
      type: row.type as PostureAttribute['type'],
      status: row.status as PostureAttribute['status'],
      reason: row.reason ?? undefined,
    },
    attribute,
  )
}
