/** Service discovery, both sides: asking others, and answering for ourselves. XEP-0030 2.5, forms of XEP-0128. */

import { StanzaError } from '../../server/stanza/errors.ts'
import { parseForm, renderForm } from '../../server/stanza/forms.ts'
import { renderRsmRequest } from '../../server/stanza/rsm.ts'
import { attr, childrenOf, type Element, el } from '../../server/xml/element.ts'
import { NS_FORMS } from '../../server/xml/namespaces.ts'
import { type DiscoInfo, type Identity, NS_CAPS } from './caps.ts'
import type { IqOptions } from './iq.ts'
import { pageOf, pages } from './rsm.ts'

export const NS_DISCO_INFO = 'http://jabber.org/protocol/disco#info'
export const NS_DISCO_ITEMS = 'http://jabber.org/protocol/disco#items'

/** What can send a request: a Client. */
export interface IqPort {
  request(
    type: 'get' | 'set',
    to: string | undefined,
    payload: Element,
    options?: IqOptions,
  ): Promise<Element | undefined>
}

export interface DiscoItem {
  readonly jid: string
  readonly node?: string
  readonly name?: string
}

/** @throws StanzaError, TimeoutError, OfflineError */
export async function discoInfo(port: IqPort, to: string, node?: string, options?: IqOptions): Promise<DiscoInfo> {
  const answer = await port.request('get', to, el('query', { xmlns: NS_DISCO_INFO, node }), options)
  return answer ? parseDiscoInfo(answer) : { identities: [], features: [], forms: [] }
}

const ITEMS_PER_PAGE = 100
const MAX_ITEMS = 10_000

/** All items, page by page; a server without RSM answers them at once. */
export async function discoItems(port: IqPort, to: string, node?: string, options?: IqOptions): Promise<DiscoItem[]> {
  const items: DiscoItem[] = []
  const walk = pages(async (request) => {
    const query = el('query', { xmlns: NS_DISCO_ITEMS, node }, renderRsmRequest(request))
    const answer = await port.request('get', to, query, options)
    if (!answer) return { items: [], count: 0, first: undefined, last: undefined }
    return pageOf(answer, childrenOf(answer, 'item', NS_DISCO_ITEMS).flatMap(parseItem))
  }, ITEMS_PER_PAGE)
  for await (const page of walk) {
    items.push(...page.items)
    if (items.length > MAX_ITEMS) throw new Error(`${to} lists more than ${MAX_ITEMS} items`)
  }
  return items
}

/** Reads a `<query/>` of disco#info. */
function parseDiscoInfo(query: Element): DiscoInfo {
  return {
    identities: childrenOf(query, 'identity', NS_DISCO_INFO).map(parseIdentity),
    features: childrenOf(query, 'feature', NS_DISCO_INFO).flatMap((feature) => attr(feature, 'var') ?? []),
    forms: childrenOf(query, 'x', NS_FORMS).map(parseForm),
  }
}

/** The answer to disco#info about ourselves. */
function renderDiscoInfo(info: DiscoInfo, node?: string): Element {
  return el(
    'query',
    { xmlns: NS_DISCO_INFO, node },
    ...info.identities.map(({ category, type, name, lang }) =>
      el('identity', { category, type, name, 'xml:lang': lang }),
    ),
    ...info.features.map((feature) => el('feature', { var: feature })),
    ...info.forms.map(renderForm),
  )
}

/**
 * Answers a disco#info request about us: without node, or with the node that our caps name.
 * @throws StanzaError item-not-found for any other node. XEP-0030 §7, XEP-0115 §6.2.
 */
export function answerDiscoInfo(query: Element, info: DiscoInfo, capsNode: string): Element {
  const node = attr(query, 'node')
  if (node !== undefined && node !== capsNode) throw new StanzaError('cancel', 'item-not-found')
  return renderDiscoInfo(info, node)
}

/** Features of every client: what the core itself answers. */
export const CORE_FEATURES: readonly string[] = [NS_DISCO_INFO, NS_CAPS]

function parseIdentity(identity: Element): Identity {
  const lang = attr(identity, 'xml:lang')
  const name = attr(identity, 'name')
  return {
    category: attr(identity, 'category') ?? '',
    type: attr(identity, 'type') ?? '',
    ...(lang === undefined ? {} : { lang }),
    ...(name === undefined ? {} : { name }),
  }
}

function parseItem(item: Element): DiscoItem[] {
  const jid = attr(item, 'jid')
  const node = attr(item, 'node')
  const name = attr(item, 'name')
  if (jid === undefined) return []
  return [{ jid, ...(node === undefined ? {} : { node }), ...(name === undefined ? {} : { name }) }]
}
