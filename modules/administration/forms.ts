/** Forms and results of service administration. XEP-0133, its field names §7.2. */

import type { CommandResult } from '../../server/module/api.ts'
import { type DataForm, type FormField, readList, readText } from '../../server/stanza/forms.ts'
import { parseJid } from '../../server/stanza/jid.ts'

export const NS_ADMIN = 'http://jabber.org/protocol/admin'

export function askingForm(title: string, instructions: string, ...fields: readonly FormField[]): DataForm {
  return { type: 'form', formType: NS_ADMIN, title, instructions, fields }
}

export function resultOf(...fields: readonly FormField[]): DataForm {
  return { type: 'result', formType: NS_ADMIN, fields }
}

export function told(text: string): CommandResult {
  return { note: { type: 'info', text } }
}

export const accountField = (label: string): FormField => ({
  name: 'accountjid',
  type: 'jid-single',
  label,
  required: true,
  values: [],
})

export const accountsField = (label: string): FormField => ({
  name: 'accountjids',
  type: 'jid-multi',
  label,
  required: true,
  values: [],
})

export const passwordField = (name: string, label: string): FormField => ({
  name,
  type: 'text-private',
  label,
  required: true,
  values: [],
})

/** The one address of `accountjid`; the form was checked. */
export function accountOf(filled: DataForm) {
  return parseJid(readText(filled, 'accountjid') ?? '')
}

export function accountsOf(filled: DataForm) {
  return (readList(filled, 'accountjids') ?? []).filter((text) => text !== '').map((text) => parseJid(text))
}
