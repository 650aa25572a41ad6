/** `jabber:iq:roster` to and from plain requests. RFC 6121 §2.1. */

import { tryParseJid } from '../../server/stanza/jid.ts'
import { opaqueString } from '../../server/stanza/precis.ts'
import { attr, childrenOf, type Element, el, textOf } from '../../server/xml/element.ts'
import { rosterError } from './errors.ts'
import type { RosterItem } from './store.ts'

export const NS_ROSTER = 'jabber:iq:roster'
export const NS_ROSTER_VERSIONING = 'urn:xmpp:features:rosterver'
export const NS_PRE_APPROVAL = 'urn:xmpp:features:pre-approval'

export type RosterSet =
  | { readonly kind: 'set'; readonly contact: string; readonly name: string; readonly groups: readonly string[] }
  | { readonly kind: 'remove'; readonly contact: string }

export interface TextLimits {
  readonly nameMaxChars: number
  readonly groupsMax: number
}

/** The version that the client knows; undefined when it knows nothing of versions. @throws StanzaError */
export function parseRosterGet(query: Element): { readonly version: string | undefined } {
  // §2.1.3; what is of another namespace is passed over, RFC 6120 §8.4
  if (childrenOf(query, 'item', NS_ROSTER).length > 0) throw rosterError('malformed', 'a roster get holds no items')
  return { version: attr(query, 'ver') }
}

/** @throws StanzaError as §2.3.3 lists them */
export function parseRosterSet(query: Element, limits: TextLimits): RosterSet {
  const items = childrenOf(query, 'item', NS_ROSTER)
  const [item] = items
  if (!item || items.length > 1) throw rosterError('malformed', 'a roster set holds one item')
  const text = attr(item, 'jid')
  if (text === undefined) throw rosterError('malformed', 'an item needs a jid')
  const jid = tryParseJid(text)
  if (!jid) throw rosterError('malformedJid', 'not an address')
  if (jid.resource !== '') throw rosterError('malformed', 'a roster holds bare addresses')
  // §2.1.5: any other value is ignored, as are ask and approved
  if (attr(item, 'subscription') === 'remove') return { kind: 'remove', contact: jid.bare }
  const name = attr(item, 'name') ?? ''
  if (name.length > limits.nameMaxChars) throw rosterError('unacceptable', 'the name is too long')
  return { kind: 'set', contact: jid.bare, name, groups: parseGroups(item, limits) }
}

function parseGroups(item: Element, limits: TextLimits): readonly string[] {
  const groups = childrenOf(item, 'group', NS_ROSTER).map(textOf)
  for (const group of groups) {
    if (group === '') throw rosterError('unacceptable', 'a group has a name')
    if (group.length > limits.nameMaxChars) throw rosterError('unacceptable', "a group's name is too long")
  }
  if (groups.length > limits.groupsMax) throw rosterError('unacceptable', `at most ${limits.groupsMax} groups`)
  // Compared as resources are: RFC 6121 §2.3.3
  const prepared = new Set(groups.map((group) => opaqueString(group) ?? group))
  if (prepared.size < groups.length) throw rosterError('malformed', 'a group is named twice')
  return groups
}

export function renderRoster(items: readonly Element[], version: string): Element {
  return el('query', { xmlns: NS_ROSTER, ver: version }, ...items)
}

/** §2.1.2; an item that is not listed is one that was removed. */
export function renderItem(item: RosterItem): Element {
  if (!item.isListed) return el('item', { jid: item.contact, subscription: 'remove' })
  return el(
    'item',
    {
      jid: item.contact,
      name: item.name === '' ? undefined : item.name,
      subscription: item.subscription,
      ask: item.isAsking ? 'subscribe' : undefined,
      approved: item.isApproved ? 'true' : undefined,
    },
    ...item.groups.map((group) => el('group', {}, group)),
  )
}
