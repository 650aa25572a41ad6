/** What a node belongs to, as data forms have it. XEP-0496 §4.2, §5 */

import { type DataForm, type FormField, field } from '../../server/stanza/forms.ts'
import { pubsubError } from './errors.ts'

export const NS_RELATIONSHIPS = 'urn:xmpp:pubsub-relationships:0'

export type RelationshipKind = 'link' | 'parent'

/** NodeIDs; empty: none. */
export interface Relationships {
  readonly link: string
  readonly parent: string
}
export type RelationshipChanges = Partial<Relationships>

export const UNRELATED: Relationships = { link: '', parent: '' }

const LABELS: Readonly<Record<RelationshipKind, string>> = {
  link: 'The node that this one extends, and is deleted with',
  parent: 'The node above this one: whoever may use this one may use that, and both are deleted with it',
}

export const relationshipField = (kind: RelationshipKind) => `{${NS_RELATIONSHIPS}}${kind}`

/** For an owner to fill in: both, with what holds now. */
export function relationshipFields(relationships: Relationships): FormField[] {
  return (['link', 'parent'] as const).map((kind) => ({
    name: relationshipField(kind),
    type: 'text-single',
    label: LABELS[kind],
    values: [relationships[kind]],
  }))
}

/** For everyone who may see the node: those that it has. */
export function relationshipResult(relationships: Relationships): FormField[] {
  const fields = (['link', 'parent'] as const).map((kind): FormField => {
    return { name: relationshipField(kind), type: 'text-single', values: [relationships[kind]] }
  })
  return fields.filter(({ values }) => values[0] !== '')
}

/** @throws StanzaError not-acceptable for more than one node each */
export function parseRelationships(form: DataForm): RelationshipChanges {
  const named = (kind: RelationshipKind) => {
    const values = field(form, relationshipField(kind))?.values
    if (values && values.length > 1) throw pubsubError('invalidConfig', `${relationshipField(kind)} takes one value`)
    return values && (values[0] ?? '')
  }
  const [link, parent] = [named('link'), named('parent')]
  return { ...(link !== undefined && { link }), ...(parent !== undefined && { parent }) }
}
