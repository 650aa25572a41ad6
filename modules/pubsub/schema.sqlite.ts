/** Tables of pubsub. Items are kept in the order of publication: `seq` grows over the whole service. DESIGN decision 11. */

import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { SHARED_SERVICE } from './records.ts'
import type { SubscriptionOptions } from './subscription-options.ts'

export const nodes = sqliteTable(
  'pubsub_nodes',
  {
    /** Never used again: a node made anew under an old NodeID is another node. */
    id: integer().primaryKey({ autoIncrement: true }),
    /** Whose node it is: SHARED_SERVICE, or a bare JID. */
    service: text().notNull().default(SHARED_SERVICE),
    nodeId: text().notNull(),
    creator: text().notNull(),
    /** UTC milliseconds. */
    createdAt: integer().notNull(),
    seenType: text(),
    /** Items kept, and how many of them have a scope: the count of every page without counting. */
    itemCount: integer().notNull().default(0),
    scopedCount: integer().notNull().default(0),
    /** The newest place whose item went for room, age or a purge: a reader that knows no later place missed something. */
    droppedSeq: integer().notNull().default(0),
    /**
     * Items up to this place went for room: they stay among the rows of items, for the archive alone, and how many those are.
     * So a full node costs no more for it; items are pruned from the oldest, and one place tells which are left.
     */
    prunedSeq: integer().notNull().default(0),
    prunedCount: integer().notNull().default(0),
    /** Rows of pastItems. */
    pastCount: integer().notNull().default(0),
    /** The archive begins behind this place: what stood up to there was dropped from its oldest end. XEP-0313 §3.2 */
    archiveCut: integer().notNull().default(0),
    subscriptionCount: integer().notNull().default(0),
    title: text().notNull(),
    description: text().notNull(),
    type: text().notNull(),
    accessModel: text({ enum: ['open', 'whitelist', 'authorize', 'presence', 'roster'] }).notNull(),
    publishModel: text({ enum: ['publishers', 'subscribers', 'open'] }).notNull(),
    persistItems: integer({ mode: 'boolean' }).notNull(),
    /** Null: as many as the service allows. */
    maxItems: integer(),
    maxPayloadBytes: integer().notNull(),
    subscribe: integer({ mode: 'boolean' }).notNull(),
    deliverNotifications: integer({ mode: 'boolean' }).notNull(),
    deliverPayloads: integer({ mode: 'boolean' }).notNull(),
    notifyConfig: integer({ mode: 'boolean' }).notNull(),
    notifyDelete: integer({ mode: 'boolean' }).notNull(),
    notifyRetract: integer({ mode: 'boolean' }).notNull(),
    notificationType: text({ enum: ['normal', 'headline'] }).notNull(),
    itemReply: text({ enum: ['owner', 'publisher', 'none'] }).notNull(),
    sendLastItem: text({ enum: ['never', 'on_sub', 'on_sub_and_presence'] }).notNull(),
    language: text().notNull().default(''),
    /** One JID per line. */
    contact: text().notNull().default(''),
    /** Null: items do not expire. */
    itemExpireSeconds: integer(),
    publishNodeFull: text({ enum: ['retract-oldest', 'discard-oldest', 'reject'] })
      .notNull()
      .default('retract-oldest'),
    notifySub: integer({ mode: 'boolean' }).notNull().default(false),
    presenceBasedDelivery: integer({ mode: 'boolean' }).notNull().default(false),
    tempSub: integer({ mode: 'boolean' }).notNull().default(false),
    purgeOffline: integer({ mode: 'boolean' }).notNull().default(false),
    dataformXslt: text().notNull().default(''),
    alwaysNotify: integer({ mode: 'boolean' }).notNull().default(false),
    allowedForSuggestions: integer({ mode: 'boolean' }).notNull().default(false),
    nodeType: text({ enum: ['leaf', 'collection'] })
      .notNull()
      .default('leaf'),
    childrenPolicy: text({ enum: ['owners', 'whitelist', 'all'] })
      .notNull()
      .default('owners'),
    /** One JID per line. */
    childrenWhitelist: text().notNull().default(''),
    /** Null: as many as the service allows. */
    childrenMax: integer(),
    /** One group per line. */
    rosterGroupsAllowed: text().notNull().default(''),
    /** Of an attachment node or a summary: the node that it is about, which it goes with. XEP-0470 */
    target: integer(),
    /** Of an attachment node: the item that it is about. */
    targetItem: text(),
    /** Something is, or was, attached to items here: there is a summary. */
    hasAttachments: integer({ mode: 'boolean' }).notNull().default(false),
  },
  (table) => [
    uniqueIndex('pubsub_nodes_by_name').on(table.service, table.nodeId),
    index('pubsub_nodes_by_target').on(table.target, table.targetItem).where(sql`target is not null`),
    index('pubsub_nodes_with_whitelist').on(table.id).where(sql`children_whitelist <> ''`),
  ],
)

const nodeRef = () =>
  integer()
    .notNull()
    .references(() => nodes.id, { onDelete: 'cascade' })

export const affiliations = sqliteTable(
  'pubsub_affiliations',
  {
    node: nodeRef(),
    bareJid: text().notNull(),
    /** `none` has no row. */
    affiliation: text({ enum: ['owner', 'publisher', 'publish-only', 'member', 'outcast'] }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.node, table.bareJid] }),
    index('pubsub_affiliations_by_account').on(table.bareJid),
  ],
)

/** Which node is in which collection: an acyclic graph. XEP-0248. */
export const links = sqliteTable('pubsub_links', { parent: nodeRef(), child: nodeRef() }, (table) => [
  primaryKey({ columns: [table.parent, table.child] }),
  index('pubsub_links_by_child').on(table.child),
])

/** What a node belongs to: a forest within a service. XEP-0496 */
export const relations = sqliteTable(
  'pubsub_relations',
  {
    node: integer()
      .primaryKey()
      .references(() => nodes.id, { onDelete: 'cascade' }),
    kind: text({ enum: ['link', 'parent'] }).notNull(),
    target: nodeRef(),
  },
  (table) => [index('pubsub_relations_by_target').on(table.target)],
)

export const subscriptions = sqliteTable(
  'pubsub_subscriptions',
  {
    node: nodeRef(),
    /** Bare or full. */
    jid: text().notNull(),
    bareJid: text().notNull(),
    /** The service address it was made at. */
    address: text().notNull(),
    /** Tells subscriptions of one JID apart; told in every answer. */
    subid: text().notNull().default('1'),
    state: text({ enum: ['subscribed', 'pending'] })
      .notNull()
      .default('subscribed'),
    isPublic: integer({ mode: 'boolean' }).notNull().default(false),
    /** UTC milliseconds, while it is public and approved. XEP-0465 */
    publicSince: integer(),
    /** Null: those that a subscription has by default. */
    options: text({ mode: 'json' }).$type<SubscriptionOptions>(),
    /** UTC milliseconds; null: the subscription does not end by itself. */
    expiresAt: integer(),
  },
  (table) => [
    primaryKey({ columns: [table.node, table.jid, table.subid] }),
    index('pubsub_subscriptions_by_account').on(table.bareJid, table.node),
    index('pubsub_subscriptions_by_end').on(table.expiresAt).where(sql`expires_at is not null`),
  ],
)

/** Subscriptions of accounts of this server at services that are not its own. XEP-0376. */
export const elsewhere = sqliteTable(
  'pubsub_elsewhere',
  {
    account: text().notNull(),
    service: text().notNull(),
    nodeId: text().notNull(),
    /** Empty: the service gave none. */
    subid: text().notNull(),
    state: text({ enum: ['subscribed', 'pending', 'unconfigured'] }).notNull(),
    isPublic: integer({ mode: 'boolean' }).notNull(),
    publicSince: integer(),
  },
  (table) => [primaryKey({ columns: [table.account, table.service, table.nodeId, table.subid] })],
)

export const items = sqliteTable(
  'pubsub_items',
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    node: nodeRef(),
    itemId: text().notNull(),
    publisher: text().notNull(),
    /** UTC milliseconds. */
    publishedAt: integer().notNull(),
    /** Who may see it at a claimed node; null: everyone who may read the node. */
    scope: text(),
    /** Self-contained XML; last of what is read by itself, since SQLite reads a row from its start. */
    payload: text(),
    /** The seq of the first publication under this id; null where there was no other. XEP-0413 §3 */
    created: integer(),
    creation: integer().generatedAlwaysAs(sql`coalesce(created, seq)`, { mode: 'virtual' }),
  },
  (table) => [
    uniqueIndex('pubsub_items_by_id').on(table.node, table.itemId),
    // The scope is in the index, so that a page for many scopes skips the others without reading their rows.
    index('pubsub_items_by_order').on(table.node, table.seq, table.scope),
    index('pubsub_items_by_creation').on(table.node, table.creation),
    // A page for few scopes is merged from these.
    index('pubsub_items_by_scope').on(table.node, table.scope, table.seq),
  ],
)

/**
 * What was at a node and stays in its archive: versions that were replaced, and the places of what was taken away. What
 * went for room stays in `items`. XEP-0442 §3; XEP-0313 §3.2. Rows are in the order in which they came here, so that they
 * are written at the end of the table.
 */
export const pastItems = sqliteTable(
  'pubsub_past_items',
  {
    id: integer().primaryKey(),
    node: nodeRef(),
    /** What it had among the items. */
    seq: integer().notNull(),
    created: integer(),
    itemId: text().notNull(),
    publisher: text().notNull(),
    publishedAt: integer().notNull(),
    scope: text(),
    /** Only its place is kept: it was taken away, and is not to be read any more. */
    isGone: integer({ mode: 'boolean' }).notNull(),
    payload: text(),
  },
  (table) => [
    index('pubsub_past_items_by_order').on(table.node, table.seq, table.scope),
    index('pubsub_past_items_by_id').on(table.node, table.itemId),
    // The time of the newest, where that was taken away.
    index('pubsub_past_items_gone').on(table.publishedAt).where(sql`is_gone = 1`),
  ],
)

/** How many items of a scope a node keeps. */
export const scopeCounts = sqliteTable(
  'pubsub_scope_counts',
  {
    node: nodeRef(),
    scope: text().notNull(),
    items: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.node, table.scope] })],
)

/** Where deleted nodes are now, by their owners' word. XEP-0060 §8.4 */
export const moved = sqliteTable(
  'pubsub_moved',
  {
    id: integer().primaryKey(),
    service: text().notNull(),
    nodeId: text().notNull(),
    uri: text().notNull(),
  },
  (table) => [uniqueIndex('pubsub_moved_by_name').on(table.service, table.nodeId)],
)

/** Where accounts began: items up to that place are of others, who had the name before. An account without a row had none before it. */
export const newcomers = sqliteTable('pubsub_newcomers', {
  bareJid: text().primaryKey(),
  seq: integer().notNull(),
})

/** Made once, with the first start: the key that the cursors of items are made with. */
export const keys = sqliteTable('pubsub_keys', {
  name: text().primaryKey(),
  /** Hexadecimal. */
  key: text().notNull(),
})
