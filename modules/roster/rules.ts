/** The state machine of subscriptions, as pure functions. RFC 6121, appendix A, and §3.4 for pre-approval. */

import type { SubscriptionType } from '../../server/module/api.ts'

export type Subscription = 'none' | 'to' | 'from' | 'both'

/** One side's view of the other: the nine states of §A.1, and the pre-approval that goes with three of them. */
export interface State {
  readonly subscription: Subscription
  /** Pending out: we asked. */
  readonly isAsking: boolean
  /** Pending in: they asked. */
  readonly isAsked: boolean
  /** Pre-approved, §3.4; kept until it is taken back. */
  readonly isApproved: boolean
}

export interface Outbound {
  readonly next: State
  /** Does the stanza go on to the contact? */
  readonly isRouted: boolean
}

export interface Inbound {
  readonly next: State
  /** Does the user get to see the stanza? */
  readonly isDelivered: boolean
  /** What the server answers for the user. */
  readonly reply: 'subscribed' | 'unsubscribed' | undefined
}

export const STRANGER: State = { subscription: 'none', isAsking: false, isAsked: false, isApproved: false }

/** The user is subscribed to the contact. */
export const isTo = ({ subscription }: State): boolean => subscription === 'to' || subscription === 'both'
/** The contact is subscribed to the user. */
export const isFrom = ({ subscription }: State): boolean => subscription === 'from' || subscription === 'both'

function subscriptionOf(to: boolean, from: boolean): Subscription {
  if (to) return from ? 'both' : 'to'
  return from ? 'from' : 'none'
}

/** What the user's own stanza does. §A.2. */
export function outbound(state: State, type: SubscriptionType): Outbound {
  const [to, from] = [isTo(state), isFrom(state)]
  switch (type) {
    case 'subscribe': // table 2: routed from every state
      return { next: { ...state, isAsking: state.isAsking || !to }, isRouted: true }
    case 'unsubscribe': // table 3: the same
      return { next: { ...state, subscription: subscriptionOf(false, from), isAsking: false }, isRouted: true }
    case 'subscribed': // table 4: answers a request, or approves one to come
      if (state.isAsked)
        return { next: { ...state, subscription: subscriptionOf(to, true), isAsked: false }, isRouted: true }
      return { next: { ...state, isApproved: state.isApproved || !from }, isRouted: false }
    case 'unsubscribed': // table 5; §3.2.2: a pre-approval goes in any case
      return {
        next: { ...state, subscription: subscriptionOf(to, false), isAsked: false, isApproved: false },
        isRouted: from || state.isAsked,
      }
  }
}

/** What the contact's stanza does. §A.3. */
export function inbound(state: State, type: SubscriptionType): Inbound {
  const [to, from] = [isTo(state), isFrom(state)]
  const unchanged: Inbound = { next: state, isDelivered: false, reply: undefined }
  switch (type) {
    case 'subscribe': // table 6
      if (from) return { ...unchanged, reply: 'subscribed' }
      if (state.isApproved) {
        const next = { ...state, subscription: subscriptionOf(to, true), isAsked: false }
        return { next, isDelivered: false, reply: 'subscribed' }
      }
      if (state.isAsked) return unchanged
      return { next: { ...state, isAsked: true }, isDelivered: true, reply: undefined }
    case 'unsubscribe': // table 7
      if (!from && !state.isAsked) return unchanged
      return {
        next: { ...state, subscription: subscriptionOf(to, false), isAsked: false },
        isDelivered: true,
        reply: 'unsubscribed',
      }
    case 'subscribed': // table 8
      if (!state.isAsking) return unchanged
      return {
        next: { ...state, subscription: subscriptionOf(true, from), isAsking: false },
        isDelivered: true,
        reply: undefined,
      }
    case 'unsubscribed': // table 9
      if (!to && !state.isAsking) return unchanged
      return {
        next: { ...state, subscription: subscriptionOf(false, from), isAsking: false },
        isDelivered: true,
        reply: undefined,
      }
  }
}
