/** What is asked of pubsub, as typed values. XEP-0060 §5 to §8. */

import type { Jid } from '../../server/stanza/jid.ts'
import type { RsmRequest } from '../../server/stanza/rsm.ts'
import type { Element } from '../../server/xml/element.ts'
import type { ConfigChanges, LinkChanges, NodeConfig } from './node-config.ts'
import type { Order } from './order.ts'
import type { Preconditions } from './preconditions.ts'
import type { RelationshipChanges } from './relationship-fields.ts'
import type { AffiliationChange } from './store.ts'
import type { OptionChanges } from './subscription-options.ts'

/** A payload as it came, and as it is kept. */
export interface Payload {
  readonly element: Element
  /** Self-contained: every prefix and default namespace that it uses is declared inside. DESIGN decision 5. */
  readonly xml: string
  readonly ns: string
}

export interface OneSubscription {
  readonly nodeId: string
  readonly jid: Jid
  readonly subid: string | undefined
}

/** A list of which a part may be asked for. XEP-0059 */
export interface Paged {
  readonly page: RsmRequest | undefined
}

/** What an entity, subscriber or publisher asks. XEP-0060 §5 to §7. */
export type EntityRequest =
  | ({ readonly kind: 'subscriptions'; readonly nodeId: string | undefined } & Paged)
  | ({ readonly kind: 'affiliations'; readonly nodeId: string | undefined } & Paged)
  | {
      readonly kind: 'items'
      readonly nodeId: string
      readonly itemIds: readonly string[]
      readonly maxItems: number | undefined
      readonly page: RsmRequest | undefined
      readonly order: Order
      readonly subid: string | undefined
    }
  /** `options` undefined: the request says nothing of them. */
  | {
      readonly kind: 'subscribe'
      readonly nodeId: string
      readonly jid: Jid
      readonly options: OptionChanges | undefined
      readonly isPublic: boolean
    }
  | ({ readonly kind: 'unsubscribe' } & OneSubscription)
  | ({ readonly kind: 'getOptions' } & OneSubscription)
  /** `changes` undefined: the form was cancelled. */
  | ({ readonly kind: 'setOptions'; readonly changes: OptionChanges | undefined } & OneSubscription)
  | { readonly kind: 'getDefaultOptions'; readonly nodeId: string | undefined }
  | {
      readonly kind: 'publish'
      readonly nodeId: string
      readonly hasItem: boolean
      readonly itemId: string | undefined
      readonly payload: Payload | undefined
      readonly preconditions: Preconditions
    }
  | { readonly kind: 'retract'; readonly nodeId: string; readonly itemId: string; readonly notify: boolean }
  | { readonly kind: 'create'; readonly nodeId: string | undefined; readonly submitted: SubmittedConfig }

/** What a configuration form says. */
export interface SubmittedConfig {
  readonly changes: ConfigChanges
  readonly links: LinkChanges
  readonly relationships: RelationshipChanges
}

/** What an owner asks. XEP-0060 §8. */
export type OwnerRequest =
  | { readonly kind: 'getConfig'; readonly nodeId: string }
  | { readonly kind: 'getDefault'; readonly nodeType: NodeConfig['nodeType'] }
  /** `submitted` undefined: the form was cancelled. */
  | { readonly kind: 'configure'; readonly nodeId: string; readonly submitted: SubmittedConfig | undefined }
  /** XEP-0248 §7.5, §7.6. */
  | { readonly kind: 'associate' | 'dissociate'; readonly nodeId: string; readonly child: string }
  | { readonly kind: 'delete'; readonly nodeId: string; readonly redirect: string | undefined }
  | { readonly kind: 'purge'; readonly nodeId: string }
  | ({ readonly kind: 'getSubscriptions'; readonly nodeId: string } & Paged)
  | {
      readonly kind: 'setSubscriptions'
      readonly nodeId: string
      readonly changes: readonly { readonly jid: Jid; readonly subid: string | undefined; readonly state: string }[]
    }
  | ({ readonly kind: 'getAffiliations'; readonly nodeId: string } & Paged)
  | {
      readonly kind: 'setAffiliations'
      readonly nodeId: string
      readonly changes: readonly AffiliationChange[]
    }
export type PubsubRequest = EntityRequest | OwnerRequest
