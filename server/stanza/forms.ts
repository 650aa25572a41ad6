/** Data forms, read and written. XEP-0004 2.13.1, field standardisation of XEP-0068. */

import type { Element } from '../xml/element.ts'

export type FieldType =
  | 'boolean'
  | 'fixed'
  | 'hidden'
  | 'jid-multi'
  | 'jid-single'
  | 'list-multi'
  | 'list-single'
  | 'text-multi'
  | 'text-private'
  | 'text-single'

export interface FormField {
  readonly name: string
  readonly type?: FieldType
  readonly label?: string
  readonly description?: string
  readonly required?: boolean
  readonly options?: readonly { readonly value: string; readonly label?: string }[]
  readonly values: readonly string[]
}

export interface DataForm {
  readonly type: 'form' | 'submit' | 'cancel' | 'result'
  /** The FORM_TYPE field's value. */
  readonly formType: string | undefined
  readonly title?: string
  readonly instructions?: string
  /** Without FORM_TYPE. */
  readonly fields: readonly FormField[]
}

export declare function parseForm(x: Element): DataForm
export declare function renderForm(form: DataForm): Element
