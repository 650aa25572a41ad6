/** What must be so for a publish to happen, and what a node is like that it makes. XEP-0060 §7.1.4, §7.1.5 */

import { StanzaError } from '../../server/stanza/errors.ts'
import type { DataForm } from '../../server/stanza/forms.ts'
import { pubsubError } from './errors.ts'
import { type ConfigBounds, defaultConfig, type NodeConfig, parseConfigForm } from './node-config.ts'
import { isForAccounts, isMulti, OPTIONS, type Option } from './node-options.ts'

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
  return Object.fromEntries(form.fields.map(({ name, values }) => [name, values.join('\n')]))
}

/**
 * The configuration of a node that a publish makes: the default but for what the preconditions want. XEP-0060 §7.1.5.
 * @throws StanzaError precondition-not-met for a field that is unknown, not-acceptable for a value that cannot be
 */
export function configFor(preconditions: Preconditions, bounds: ConfigBounds): NodeConfig {
  const fields = Object.entries(preconditions).map(([name, value]) => ({ name, values: value.split('\n') }))
  const known = OPTIONS.filter((option) => bounds.isAccount || !isForAccounts(option))
  const unknown = fields.find(({ name }) => !known.some(({ field }) => field === name))
  if (unknown) throw pubsubError('preconditionNotMet', `${unknown.name} is unknown`)
  return { ...defaultConfig(bounds), ...parseConfigForm({ type: 'submit', formType: undefined, fields }, bounds) }
}

/**
 * The first precondition that does not hold, an unknown field included; undefined when all do. What made a node holds
 * when it is wanted again: a value that the service writes otherwise, or cuts to what it allows, means what it became.
 * XEP-0060 §7.1.5.
 */
export function unmetPrecondition(
  config: NodeConfig,
  preconditions: Preconditions,
  bounds: ConfigBounds,
): string | undefined {
  for (const [name, wanted] of Object.entries(preconditions)) {
    const option = OPTIONS.find(({ field }) => field === name)
    if (!option || !isSo(option, config, wanted, bounds)) return name
  }
  return undefined
}

function isSo(option: Option, config: NodeConfig, wanted: string, bounds: ConfigBounds): boolean {
  const shown = (each: NodeConfig) => (isMulti(option) ? inOrder(option.render(each)) : option.render(each))
  const now = shown(config)
  if (now === wanted) return true
  try {
    return shown({ ...config, [option.key]: option.parse(wanted, bounds) }) === now
  } catch (error) {
    if (error instanceof StanzaError) return false // no node can be so
    throw error
  }
}

/** A list without the order that its values came in. */
function inOrder(lines: string): string {
  return lines.split('\n').sort().join('\n')
}
