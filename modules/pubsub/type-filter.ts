/** Nodes of certain types alone, in lists of nodes. XEP-0462 */

import { parseForm } from '../../server/stanza/forms.ts'
import { childOf, type Element } from '../../server/xml/element.ts'
import { NS_FORMS } from '../../server/xml/namespaces.ts'
import { pubsubError } from './errors.ts'
import type { NodeRecord } from './records.ts'

export const NS_TYPE_FILTER = 'urn:xmpp:pubsub-filter:0'

/** The type that a node tells of itself: RFC 8600 wants one whether or not somebody configured it. */
export function typeOf({ config, seenType }: NodeRecord): string {
  return config.type || (seenType ?? '')
}

export function hasTypeFilter(query: Element): boolean {
  return childOf(query, 'filter', NS_TYPE_FILTER) !== undefined
}

/**
 * Which nodes a disco#items query asks for; all without a `<filter/>`. An empty type is that of a node that has none.
 * @throws StanzaError bad-request when it is no form of XEP-0462 §3.2, or names types both to show and to leave out
 */
export function typeFilter(query: Element): (node: NodeRecord) => boolean {
  const filter = childOf(query, 'filter', NS_TYPE_FILTER)
  if (!filter) return () => true
  const x = childOf(filter, 'x', NS_FORMS)
  const form = x && parseForm(x)
  if (form?.type !== 'submit' || form.formType !== NS_TYPE_FILTER)
    throw pubsubError('malformed', `a filter is a submitted form whose FORM_TYPE is ${NS_TYPE_FILTER}`)
  const valuesOf = (name: string) => form.fields.find((field) => field.name === name)?.values
  const [included, excluded] = [valuesOf('included-types'), valuesOf('excluded-types')]
  if (included && excluded) throw pubsubError('malformed', 'types are included or excluded, not both')
  if (included) return (node) => included.includes(typeOf(node))
  return (node) => !excluded?.includes(typeOf(node))
}
