/**
 * What is attached to an item, as far as a summary tells of it, and the summary itself. The summary holds the counts: a
 * change takes what one account had attached from them and adds what it attaches now, and looks at nobody else's.
 * XEP-0470 §4.6 to §4.8.
 */

import { childrenOf, type Element, el, isElement, textOf } from '../../server/xml/element.ts'
import { parseStored } from '../../server/xml/parser.ts'
import { serialize } from '../../server/xml/serialize.ts'
import { NS_ATTACHMENTS, NS_SUMMARY } from './attachment-names.ts'
import { pubsubError } from './errors.ts'

/** By one account. */
export interface Attached {
  readonly isNoticed: boolean
  /** Each once. */
  readonly reactions: readonly string[]
}

export interface Summary {
  readonly noticed: number
  /** How many accounts each comes from. */
  readonly reactions: ReadonlyMap<string, number>
}

export interface ReactionBounds {
  readonly reactionsPerAttachmentMax: number
  readonly reactionMaxChars: number
}

const NOTHING: Attached = { isNoticed: false, reactions: [] }

export function attachedIn(attachments: Element): Attached {
  const reactions = childrenOf(attachments, 'reactions', NS_ATTACHMENTS)
    .flatMap((each) => childrenOf(each, 'reaction', NS_ATTACHMENTS))
    .map((each) => textOf(each).trim())
  // §4.8.2: what comes several times from one account is counted once
  return {
    isNoticed: childrenOf(attachments, 'noticed', NS_ATTACHMENTS).length > 0,
    reactions: [...new Set(reactions)],
  }
}

/**
 * What a payload attaches.
 * @throws StanzaError bad-request when it is none that an account may publish, not-acceptable beyond a limit
 * §4.5
 */
export function checkAttachments(payload: Element | undefined, bounds: ReactionBounds): Attached {
  if (!payload || !isElement(payload, 'attachments', NS_ATTACHMENTS))
    throw pubsubError('invalidAttachment', `the payload is an <attachments/> of ${NS_ATTACHMENTS}`)
  // §4.7.3 counts the elements, which are to be one per account (§2).
  for (const name of ['noticed', 'reactions'])
    if (childrenOf(payload, name, NS_ATTACHMENTS).length > 1)
      throw pubsubError('invalidAttachment', `one <${name}/> in an <attachments/>`)
  const attached = attachedIn(payload)
  const { reactionsPerAttachmentMax, reactionMaxChars } = bounds
  if (attached.reactions.includes('')) throw pubsubError('invalidAttachment', 'a <reaction/> is empty')
  if (attached.reactions.some((each) => each.length > reactionMaxChars))
    throw pubsubError('reactionTooLong', `at most ${reactionMaxChars} characters in a reaction`)
  if (attached.reactions.length > reactionsPerAttachmentMax)
    throw pubsubError('tooManyReactions', `at most ${reactionsPerAttachmentMax} reactions of one account`)
  return attached
}

/** What a stored payload attaches; undefined: nothing is stored. */
export function attachedBefore(payload: string | null | undefined): Attached {
  return payload ? attachedIn(parseStored(payload)) : NOTHING
}

/** The counts after one account attached something else than before. */
export function counted({ noticed, reactions }: Summary, before: Attached, after: Attached = NOTHING): Summary {
  const counts = new Map(reactions)
  for (const each of before.reactions) counts.set(each, (counts.get(each) ?? 0) - 1)
  for (const each of after.reactions) counts.set(each, (counts.get(each) ?? 0) + 1)
  const left = [...counts].filter(([, count]) => count > 0)
  return {
    noticed: Math.max(0, noticed - Number(before.isNoticed) + Number(after.isNoticed)),
    reactions: new Map(left),
  }
}

/** Most frequent first; of the same count, in the order in which they came to it. */
export function renderSummary({ noticed, reactions }: Summary): string {
  const sorted = [...reactions].sort(([, one], [, other]) => other - one)
  const all = sorted.map(([text, count]) => el('reaction', { count: count > 1 ? count : undefined }, text))
  const summary = el(
    'summary',
    { xmlns: NS_SUMMARY },
    noticed > 0 ? el('noticed', { count: noticed }) : undefined,
    all.length > 0 ? el('reactions', {}, ...all) : undefined,
  )
  // No namespace is called so: the payload declares its own.
  return serialize(summary, ' ')
}

/** What `renderSummary` wrote; undefined: nothing is attached yet. */
export function parseSummary(payload: string | null | undefined): Summary {
  if (!payload) return { noticed: 0, reactions: new Map() }
  const summary = parseStored(payload)
  const [noticed] = childrenOf(summary, 'noticed', NS_SUMMARY)
  const reactions = childrenOf(summary, 'reactions', NS_SUMMARY).flatMap((each) =>
    childrenOf(each, 'reaction', NS_SUMMARY),
  )
  return {
    noticed: noticed ? countOf(noticed) : 0,
    reactions: new Map(reactions.map((each) => [textOf(each), countOf(each)])),
  }
}

/** §4.8.2: without a count, it is one. */
function countOf({ attrs }: Element): number {
  return Number(attrs['count'] ?? 1)
}
