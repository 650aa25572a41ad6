/** What a disco#info says, read for hashing: every part as it stands, and whether a hash over it can be trusted. */

import { attr, childElements, childOf, childrenOf, type Element, isElement, textOf } from '../../server/xml/element.ts'
import { NS_FORMS } from '../../server/xml/namespaces.ts'
import { NS_DISCO_INFO } from '../disco/index.ts'

export interface InfoIdentity {
  readonly category: string
  readonly type: string
  /** As stated on the element itself. */
  readonly lang: string | undefined
  readonly name: string
}

export interface InfoForm {
  /** Undefined when there is no hidden FORM_TYPE. XEP-0068 §3.2. */
  readonly formType: string | undefined
  /** FORM_TYPE has several values that differ. */
  readonly isAmbiguous: boolean
  /** `<reported/>` or `<item/>` in it. */
  readonly hasItems: boolean
  /** FORM_TYPE among them. */
  readonly fields: readonly { readonly name: string; readonly values: readonly string[] }[]
}

export interface Info {
  readonly identities: readonly InfoIdentity[]
  readonly features: readonly string[]
  readonly forms: readonly InfoForm[]
  /** The language that identities without one of their own have. */
  readonly lang: string
  /** Something else stands in the answer. */
  readonly hasOthers: boolean
}

/** @param lang  of the stanza around */
export function readInfo(query: Element, lang = ''): Info {
  const children = childElements(query)
  const of = (name: string): Element[] => children.filter((child) => isElement(child, name, NS_DISCO_INFO))
  const forms = children.filter((child) => isElement(child, 'x', NS_FORMS))
  const [identities, features] = [of('identity'), of('feature')]
  return {
    identities: identities.map((identity) => ({
      category: attr(identity, 'category') ?? '',
      type: attr(identity, 'type') ?? '',
      lang: attr(identity, 'xml:lang'),
      name: attr(identity, 'name') ?? '',
    })),
    features: features.map((feature) => attr(feature, 'var') ?? ''),
    forms: forms.map(readForm),
    lang: attr(query, 'xml:lang') ?? lang,
    hasOthers: identities.length + features.length + forms.length < children.length,
  }
}

function readForm(x: Element): InfoForm {
  const fields = childrenOf(x, 'field', NS_FORMS).map((field) => ({
    name: attr(field, 'var') ?? '',
    isHidden: attr(field, 'type') === 'hidden',
    values: childrenOf(field, 'value', NS_FORMS).map(textOf),
  }))
  const typeField = fields.find(({ name, isHidden }) => name === 'FORM_TYPE' && isHidden)
  return {
    formType: typeField?.values[0],
    isAmbiguous: new Set(typeField?.values).size > 1,
    hasItems: childOf(x, 'item', NS_FORMS) !== undefined || childOf(x, 'reported', NS_FORMS) !== undefined,
    fields,
  }
}
