/** What must be so for a publish to happen, and what a node is like that it makes. XEP-0060 §7.1.4, §7.1.5 */

import { StanzaError } from '../../server/stanza/errors.ts'
import type { DataForm } from '../../server/stanza/forms.ts'
import { pubsubError } from './errors.ts'
import {
  type ConfigBounds,
  defaultConfig,
  type NodeConfig,
  type PlaceChanges,
  parseConfigForm,
  parseLinks,
} from './node-config.ts'
import { isForAccounts, isMulti, OPTIONS, type Option } from './node-options.ts'
import { parseRelationships, type Relationships, relationshipField } from './relationship-fields.ts'

const PUBLISH_OPTIONS_FORM = 'http://jabber.org/protocol/pubsub#publish-options'

/** Preconditions of a publish: field -> the value that must hold. */
export type Preconditions = Readonly<Record<string, string>>

/**
 * Reads `<publish-options/>`' form. XEP-0060 §7.1.5.
 * @throws StanzaError bad-request for another form
 */
export function parsePreconditions(form: DataForm): Preconditions {
  if (form.formType !== PUBLISH_OPTIONS_FORM)
    throw pubsubError('malformed', `the form's FORM_TYPE is not ${PUBLISH_OPTIONS_FORM}`)
  if (form.type !== 'submit') throw pubsubError('malformed', 'the form is not of type submit') // XEP-0004 §3.2
  return Object.fromEntries(form.fields.map(({ name, values }) => [name, values.join('\n')]))
}

/** The configuration beside the options: a node's place. Its children are no leaf's. XEP-0248 §7.2; XEP-0496 §4.2 */
const PLACE_FIELDS: ReadonlySet<string> = new Set([
  'pubsub#collection',
  relationshipField('link'),
  relationshipField('parent'),
])

/** The configuration form that says the same. */
function formOf(preconditions: Preconditions): DataForm {
  const fields = Object.entries(preconditions).map(([name, value]) => ({ name, values: value.split('\n') }))
  return { type: 'submit', formType: undefined, fields }
}

/**
 * The configuration of a node that a publish makes: the default but for what the preconditions want. XEP-0060 §7.1.5.
 * @throws StanzaError precondition-not-met for a field that is unknown, not-acceptable for a value that cannot be
 */
export function configFor(preconditions: Preconditions, bounds: ConfigBounds): NodeConfig {
  const form = formOf(preconditions)
  const known = OPTIONS.filter((option) => bounds.isAccount || !isForAccounts(option))
  const unknown = form.fields.find(({ name }) => !PLACE_FIELDS.has(name) && !known.some(({ field }) => field === name))
  if (unknown) throw pubsubError('preconditionNotMet', `${unknown.name} is unknown`)
  return { ...defaultConfig(bounds), ...parseConfigForm(form, bounds) }
}

/** The place of that node. @throws StanzaError not-acceptable for a value that cannot be */
export function placeFor(preconditions: Preconditions): PlaceChanges {
  const form = formOf(preconditions)
  const { parents } = parseLinks(form)
  return { links: parents ? { parents } : {}, relationships: parseRelationships(form) }
}

/** Where a node is, for preconditions. */
export interface Whereabouts {
  readonly parents: readonly string[]
  readonly relationships: Relationships
}

/**
 * The first precondition that does not hold, an unknown field included; undefined when all do. What made a node holds
 * when it is wanted again: a value that the service writes otherwise, or cuts to what it allows, means what it became.
 * XEP-0060 §7.1.5.
 * @param whereabouts  read only where a precondition is about them
 */
export function unmetPrecondition(
  config: NodeConfig,
  preconditions: Preconditions,
  bounds: ConfigBounds,
  whereabouts: () => Whereabouts,
): string | undefined {
  for (const [name, wanted] of Object.entries(preconditions)) {
    const option = OPTIONS.find(({ field }) => field === name)
    const holds = option
      ? isSo(option, config, wanted, bounds)
      : PLACE_FIELDS.has(name) && isThere(whereabouts(), { [name]: wanted })
    if (!holds) return name
  }
  return undefined
}

function isSo(option: Option, config: NodeConfig, wanted: string, bounds: ConfigBounds): boolean {
  const shown = (each: NodeConfig) => (isMulti(option) ? inOrder(option.render(each)) : option.render(each))
  const now = shown(config)
  if (now === wanted) return true
  return canBe(() => shown({ ...config, [option.key]: option.parse(wanted, bounds) }) === now)
}

function isThere({ parents, relationships: { link, parent } }: Whereabouts, wanted: Preconditions): boolean {
  return canBe(() => {
    const { links, relationships } = placeFor(wanted)
    if (links.parents) return inOrder(links.parents.join('\n')) === inOrder(parents.join('\n'))
    if (relationships.link !== undefined) return relationships.link === link
    // XEP-0496 §4.2: a linking node has the parent of its target, and none of its own
    return relationships.parent === parent || (relationships.parent === '' && link !== '')
  })
}

/** No node can be as what is refused. */
function canBe(holds: () => boolean): boolean {
  try {
    return holds()
  } catch (error) {
    if (error instanceof StanzaError) return false
    throw error
  }
}

/** A list without the order that its values came in. */
function inOrder(lines: string): string {
  return lines.split('\n').sort().join('\n')
}
