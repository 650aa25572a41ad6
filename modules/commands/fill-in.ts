/** Checks what was filled in against the form that asked for it. XEP-0050 §3.5.1, XEP-0004 §3.2 to §3.4. */

import { StanzaError } from '../../server/stanza/errors.ts'
import { type DataForm, type FormField, field, parseForm } from '../../server/stanza/forms.ts'
import { tryParseJid } from '../../server/stanza/jid.ts'
import type { Element } from '../../server/xml/element.ts'
import { commandError } from './errors.ts'

const MULTIPLE = new Set<FormField['type']>(['jid-multi', 'list-multi', 'text-multi', 'hidden', 'fixed'])
const BOOLEANS = new Set(['0', '1', 'true', 'false'])

/**
 * The form's fields with the submitted values, or their defaults; fields that were not asked for are left out.
 * @throws StanzaError bad-request with bad-payload, naming the field
 */
export function fillIn(asked: DataForm, x: Element | undefined): DataForm {
  const submitted = x ? parse(x) : undefined
  if (submitted?.formType !== undefined && submitted.formType !== asked.formType)
    throw bad(`the form is not of ${asked.formType}`)
  return {
    type: 'submit',
    formType: asked.formType,
    fields: asked.fields
      .filter(({ type }) => type !== 'fixed')
      .map((each) => ({ ...each, values: checked(each, submitted && field(submitted, each.name)) })),
  }
}

function parse(x: Element): DataForm {
  let form: DataForm
  try {
    form = parseForm(x)
  } catch (error) {
    if (error instanceof StanzaError) throw bad(error.message)
    throw error
  }
  // XEP-0050 §3.5.1: a form of type cancel counts as submitted.
  if (form.type !== 'submit' && form.type !== 'cancel') throw bad('the form is not a submitted one')
  return form
}

function checked(asked: FormField, submitted: FormField | undefined): readonly string[] {
  const values = submitted?.values ?? asked.values
  const { name, type } = asked
  if (asked.required && !values.some((value) => value !== '')) throw bad(`field ${name} is required`)
  if (values.length > 1 && !MULTIPLE.has(type)) throw bad(`field ${name} takes one value`)
  for (const value of values) {
    if (type === 'boolean' && !BOOLEANS.has(value)) throw bad(`field ${name} is true or false`)
    // A field that may stay empty is left so by an empty value.
    if (value === '' && !asked.required) continue
    if ((type === 'jid-single' || type === 'jid-multi') && !tryParseJid(value))
      throw bad(`field ${name} takes addresses`)
    if (
      (type === 'list-single' || type === 'list-multi') &&
      !asked.isOpen &&
      !(asked.options ?? []).some((option) => option.value === value)
    )
      throw bad(`field ${name} takes one of its options`)
  }
  return values
}

function bad(text: string): StanzaError {
  return commandError('badPayload', text)
}
