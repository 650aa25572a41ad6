/** Data forms, read and written. XEP-0004 2.13.1, field standardisation of XEP-0068. */

import { attr, childOf, childrenOf, type Element, el, isElement, textOf } from '../xml/element.ts'
import { NS_FORMS } from '../xml/namespaces.ts'
import { StanzaError } from './errors.ts'

const FIELD_TYPES = [
  'boolean',
  'fixed',
  'hidden',
  'jid-multi',
  'jid-single',
  'list-multi',
  'list-single',
  'text-multi',
  'text-private',
  'text-single',
] as const
export type FieldType = (typeof FIELD_TYPES)[number]

export interface FormField {
  readonly name: string
  readonly type?: FieldType
  readonly label?: string
  readonly description?: string
  readonly required?: boolean
  readonly options?: readonly { readonly value: string; readonly label?: string }[]
  /** Other values than the options may be given: who takes them says what they mean. */
  readonly isOpen?: boolean
  readonly values: readonly string[]
}

const FORM_TYPES = ['form', 'submit', 'cancel', 'result'] as const

export interface DataForm {
  readonly type: (typeof FORM_TYPES)[number]
  /** The FORM_TYPE field's value. */
  readonly formType: string | undefined
  readonly title?: string
  readonly instructions?: string
  /** Without FORM_TYPE. */
  readonly fields: readonly FormField[]
}

/**
 * Reads `<x xmlns='jabber:x:data'/>`. An unknown field type counts as text-single (§3.3), a field without a name is
 * left out when it is `fixed`.
 * @throws StanzaError bad-request when it is no form: another element, no known type, a nameless or repeated field
 * XEP-0004 §3.
 */
export function parseForm(x: Element): DataForm {
  if (!isElement(x, 'x', NS_FORMS)) throw bad('a data form is expected')
  const type = FORM_TYPES.find((known) => known === attr(x, 'type'))
  if (!type) throw bad('the data form has no known type')
  let formType: string | undefined
  const fields: FormField[] = []
  const names = new Set<string>()
  for (const element of childrenOf(x, 'field', NS_FORMS)) {
    const field = parseField(element)
    if (!field) continue
    if (names.has(field.name)) throw bad(`field ${field.name} stands twice in the data form`)
    names.add(field.name)
    if (field.name !== 'FORM_TYPE') fields.push(field)
    // XEP-0068 §3.2: what the processing side sends counts as context only when hidden; a submission may leave it out.
    else if (type === 'submit' || type === 'cancel' || field.type === 'hidden') formType = field.values[0]
  }
  const title = textOfChild(x, 'title')
  const instructions = childrenOf(x, 'instructions', NS_FORMS).map(textOf)
  return {
    type,
    formType,
    ...(title === undefined ? {} : { title }),
    ...(instructions.length === 0 ? {} : { instructions: instructions.join('\n') }),
    fields,
  }
}

function parseField(element: Element): FormField | undefined {
  const name = attr(element, 'var')
  const type = FIELD_TYPES.find((known) => known === attr(element, 'type'))
  if (name === undefined) {
    if (type === 'fixed') return undefined
    throw bad('a field of the data form has no name')
  }
  const label = attr(element, 'label')
  const description = textOfChild(element, 'desc')
  const options = childrenOf(element, 'option', NS_FORMS).map((option) => {
    const text = attr(option, 'label')
    return { value: textOfChild(option, 'value') ?? '', ...(text === undefined ? {} : { label: text }) }
  })
  return {
    name,
    ...(type === undefined ? {} : { type }),
    ...(label === undefined ? {} : { label }),
    ...(description === undefined ? {} : { description }),
    ...(childOf(element, 'required', NS_FORMS) ? { required: true } : {}),
    ...(options.length === 0 ? {} : { options }),
    values: childrenOf(element, 'value', NS_FORMS).map(textOf),
  }
}

/** Writes the form; FORM_TYPE comes first, hidden. A field's type is written as given. XEP-0004 §3, XEP-0068 §3. */
export function renderForm(form: DataForm): Element {
  const x = el(
    'x',
    { xmlns: NS_FORMS, type: form.type },
    form.title === undefined ? undefined : el('title', {}, form.title),
  )
  // XEP-0004 §3.1: one element per line of instructions.
  for (const line of form.instructions?.split('\n') ?? []) x.cnode(el('instructions', {}, line))
  if (form.formType !== undefined) {
    x.cnode(renderField({ name: 'FORM_TYPE', type: 'hidden', values: [form.formType] }))
  }
  for (const each of form.fields) x.cnode(renderField(each))
  return x
}

function renderField(field: FormField): Element {
  return el(
    'field',
    { var: field.name, type: field.type, label: field.label },
    field.description === undefined ? undefined : el('desc', {}, field.description),
    field.required ? el('required') : undefined,
    ...field.values.map((value) => el('value', {}, value)),
    ...(field.options ?? []).map((option) => el('option', { label: option.label }, el('value', {}, option.value))),
  )
}

/** The form's field of that name. */
export function field(form: DataForm, name: string): FormField | undefined {
  return form.fields.find((each) => each.name === name)
}

/**
 * The one value of a field; undefined when the field is absent, or has no value.
 * @throws StanzaError not-acceptable when it has several
 */
export function readText(form: DataForm, name: string): string | undefined {
  const values = field(form, name)?.values ?? []
  if (values.length > 1) throw unacceptable(name, 'takes one value')
  return values[0]
}

/** All values of a field; undefined when the field is absent. */
export function readList(form: DataForm, name: string): readonly string[] | undefined {
  return field(form, name)?.values
}

/**
 * A boolean field: 1, true, 0 or false; undefined when absent or empty.
 * @throws StanzaError not-acceptable on anything else
 * XEP-0004 §3.3.
 */
export function readBoolean(form: DataForm, name: string): boolean | undefined {
  const text = readText(form, name)
  if (text === undefined || text === '') return undefined
  if (text === '1' || text === 'true') return true
  if (text === '0' || text === 'false') return false
  throw unacceptable(name, 'must be true or false')
}

/**
 * A whole number within bounds; undefined when absent or empty.
 * @throws StanzaError not-acceptable on anything else
 */
export function readInteger(form: DataForm, name: string, min: number, max: number): number | undefined {
  const text = readText(form, name)
  if (text === undefined || text === '') return undefined
  const value = /^-?[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) throw unacceptable(name, `must be a whole number from ${min} to ${max}`)
  return value
}

function textOfChild(parent: Element, name: string): string | undefined {
  const child = childOf(parent, name, NS_FORMS)
  return child ? textOf(child) : undefined
}

function bad(text: string): StanzaError {
  return new StanzaError('modify', 'bad-request', text)
}

/** XEP-0004 §4: invalid data is answered with not-acceptable. */
function unacceptable(name: string, rule: string): StanzaError {
  return new StanzaError('modify', 'not-acceptable', `field ${name} ${rule}`)
}
