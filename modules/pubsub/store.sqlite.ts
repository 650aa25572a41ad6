/** PubsubStore on SQLite, and its operations as the storage worker takes them. */

import type { Operation } from '../../server/module/api.ts'
import { modifyAffiliations } from './affiliations.sqlite.ts'
import { readArchived } from './archive.sqlite.ts'
import { publishAttachment, retractAttachment } from './attachments.sqlite.ts'
import { readCollected } from './collected.sqlite.ts'
import { allElsewhere, dropElsewhere, keepElsewhere } from './elsewhere.sqlite.ts'
import { forgetAccount } from './forget.sqlite.ts'
import { associate, dissociate, relink } from './graph.sqlite.ts'
import { expireItems, publishItem, purgeAbsent, purgeNode, retractItem } from './items.sqlite.ts'
import { ensureKey, readKey } from './keys.sqlite.ts'
import { beginAccount } from './newcomers.sqlite.ts'
import { configureNode, createMissing, createNode, deleteNode, ensureNode } from './nodes.sqlite.ts'
import { readItems, readPage } from './pages.sqlite.ts'
import { longArchives, trimArchive } from './past-items.sqlite.ts'
import { relate } from './relations.sqlite.ts'
import { readSnapshot } from './snapshot.sqlite.ts'
import type { PubsubStore } from './store.ts'
import { endLeases, endTemporary, endUnread } from './subscription-ends.sqlite.ts'
import { answerRequest, modifySubscriptions, setOptions, subscribe, unsubscribe } from './subscriptions.sqlite.ts'

export const sqliteStore: PubsubStore = {
  createNode,
  createMissing,
  ensureNode,
  configureNode,
  relink,
  associate,
  dissociate,
  relate,
  deleteNode,
  purgeNode,
  publishItem,
  retractItem,
  publishAttachment,
  retractAttachment,
  longArchives,
  trimArchive,
  expireItems,
  purgeAbsent,
  subscribe,
  unsubscribe,
  setOptions,
  answerRequest,
  endLeases,
  endTemporary,
  endUnread,
  modifyAffiliations,
  modifySubscriptions,
  forgetAccount,
  allElsewhere,
  keepElsewhere,
  dropElsewhere,
  readKey,
  ensureKey,
  readSnapshot,
  readPage,
  readCollected,
  readArchived,
  readItems,
}

export const pubsubOperations: readonly Operation<never>[] = [...Object.values(sqliteStore), beginAccount]
