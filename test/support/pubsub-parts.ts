/** Pubsub's use cases without a server: on a database of the test's own, with nobody around but whom the test names. */

import { Claims } from '../../modules/pubsub/claims.ts'
import { pubsubConfig } from '../../modules/pubsub/config.ts'
import type { PubsubParts } from '../../modules/pubsub/context.ts'
import { startCounts } from '../../modules/pubsub/counts.ts'
import { Cursors } from '../../modules/pubsub/cursors.ts'
import { Deletions } from '../../modules/pubsub/deletions.ts'
import { Elsewhere } from '../../modules/pubsub/elsewhere.ts'
import { Awaiting } from '../../modules/pubsub/last-item.ts'
import { Notifier, type NotifyParts } from '../../modules/pubsub/notify.ts'
import { Replica } from '../../modules/pubsub/replica.ts'
import { sqliteStore } from '../../modules/pubsub/store.sqlite.ts'
import type { Role } from '../../server/module/api.ts'
import { fallbacks } from '../../server/option.ts'
import type { Storage } from '../../server/storage/storage.ts'
import { noAudience } from './no-accounts.ts'

const silent = { error() {}, warn() {}, info() {}, debug() {}, trace() {}, child: () => silent, level: 'silent' }

/** These accounts have roles, the others have none. */
export const ROLES: Readonly<Record<string, readonly Role[]>> = {
  'root@test': ['admin'],
  'alice@test': ['collector'],
}

export interface PubsubPartsOptions extends Partial<Pick<PubsubParts, 'audience' | 'emit'>> {
  readonly send: NotifyParts['send']
  /** Options with other values than their defaults. */
  readonly set?: Partial<ReturnType<PubsubParts['config']>>
  /** Default: whom the claims let. */
  readonly maySee?: NotifyParts['maySee']
  /** Default: nobody gets anything by a collection. */
  readonly inheritance?: NotifyParts['inheritance']
  readonly exists?: (bareJid: string) => boolean
}

/** The parts, as index.ts puts them together. */
export function pubsubParts(storage: Storage, options: PubsubPartsOptions): PubsubParts {
  const claims = new Claims()
  const {
    send,
    set,
    audience = noAudience(),
    emit = (_hook, event) => event,
    maySee = (bareJid, node, scope) => claims.maySee(bareJid, node.record, scope),
    inheritance = { of: () => [], ofLink: () => [], mayGet: () => true, letsThrough: () => true },
    exists = () => true,
  } = options
  const config = () => ({ ...fallbacks(pubsubConfig), ...set })
  return {
    domain: 'test',
    serviceAddress: 'pubsub.test',
    store: sqliteStore,
    offline: { review: () => {}, delivered: async () => {} },
    elsewhere: new Elsewhere(),
    awaiting: new Awaiting(),
    deletions: new Deletions(),
    counts: startCounts(),
    cursors: () => new Cursors('00'.repeat(16), 0),
    audience,
    emit,
    storage,
    replica: new Replica(),
    claims,
    log: silent,
    config,
    accounts: {
      exists,
      roles: (bareJid) => new Set(ROLES[bareJid] ?? []),
      grants: () => [],
      bindSelf: async () => [],
      bareJids: () => [],
      maySeePresence: () => false,
    },
    notifier: new Notifier({
      send,
      maySee,
      audience,
      presenceOf: () => [],
      stanzaId: () => '',
      now: () => 0,
      bounds: config,
      inheritance,
    }),
  }
}
