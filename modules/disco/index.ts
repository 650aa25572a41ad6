/** Answers service discovery at every address from what is registered there. XEP-0030. */

import {
  type DiscoInfo,
  type DiscoItem,
  defineModule,
  ENDPOINTS,
  type Endpoints,
  type EndpointView,
  type IqHandler,
  integer,
  type Options,
  option,
  type ValuesOf,
} from '../../server/module/api.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { renderForm } from '../../server/stanza/forms.ts'
import { type Page, parseRsm, renderRsm } from '../../server/stanza/rsm.ts'
import { attr, type Element, el } from '../../server/xml/element.ts'
import { NS_RSM } from '../../server/xml/namespaces.ts'
import { domainItems } from './domain.ts'

export const NS_DISCO_INFO = 'http://jabber.org/protocol/disco#info'
export const NS_DISCO_ITEMS = 'http://jabber.org/protocol/disco#items'

const config = {
  pageMaxItems: option(
    integer(500, 1, 10_000),
    'services, components, nodes and others that the domain lists in one answer; the rest by RSM',
  ),
} satisfies Options

export const disco = defineModule<ValuesOf<typeof config>>({
  name: 'disco',
  specs: [
    { doc: 'XEP-0030', version: '2.5rc3', status: 'complete' },
    { doc: 'XEP-0128', version: '1.0.1', status: 'complete' },
  ],
  config,
  setup(ctx) {
    const { pageMaxItems } = ctx.config()
    const endpoints = ctx.use(ENDPOINTS)
    const services: EndpointView[] = []
    ctx.endpoint('server').identity('server', 'im', 'sacm')
    ctx.endpoint('account').identity('account', 'registered')

    endpoints.each((endpoint) => {
      if (endpoint.at.startsWith('service:')) services.push(endpoint)
      endpoint.feature(NS_DISCO_INFO, NS_DISCO_ITEMS, NS_RSM)

      // An account's: for its owner, and for who may see its presence and so knows that it is there.
      const who = { from: endpoint.at === 'account' ? 'subscribed' : 'anyone' } as const
      const onGet = (ns: string, handler: IqHandler) => endpoint.onIq('get', `{${ns}}query`, handler, who)
      onGet(NS_DISCO_INFO, async ({ from, to, payload }) => {
        const node = attr(payload, 'node')
        const info = node ? await endpoint.infoOf({ to, asker: from, node }) : ownInfo(endpoint)
        if (!info) throw new StanzaError('cancel', 'item-not-found', 'no such node here') // XEP-0030 §7
        return renderInfo(info, node)
      })

      onGet(NS_DISCO_ITEMS, async ({ from, to, payload }) => {
        const node = attr(payload, 'node') || undefined
        const page = parseRsm(payload)
        const asked = { to, asker: from, node, payload }
        const listed = isRoot(endpoint, node)
          ? await domainItems(
              endpoint.address,
              servicesOf(services, endpoints),
              async (part) => endpoint.itemsOf({ ...asked, page: part }),
              { ...page, max: Math.min(page?.max ?? pageMaxItems, pageMaxItems) },
            )
          : await endpoint.itemsOf({ ...asked, page })
        if (!listed && node) throw new StanzaError('cancel', 'item-not-found', 'no such node here')
        return el(
          'query',
          { xmlns: NS_DISCO_ITEMS, node },
          ...(listed?.items ?? []).map(renderItem),
          listed && (page || isCut(listed)) ? renderRsm(listed) : undefined,
        )
      })
    })
  },
})

/** What an address says of itself: identities, features and forms as registered. */
export function ownInfo(endpoint: EndpointView): DiscoInfo {
  return { identities: endpoint.identities, features: endpoint.features, forms: endpoint.forms() }
}

/**
 * `<query/>` of a disco#info result. XEP-0030 §3.1, XEP-0128 §2. The language of names is stated where they stand, since
 * hashes over them count it, and not everybody counts what is inherited: XEP-0115 §5.1, XEP-0390 §4.1.
 */
export function renderInfo(info: DiscoInfo, node: string | undefined): Element {
  return el(
    'query',
    { xmlns: NS_DISCO_INFO, node },
    ...info.identities.map(({ category, type, name }) => el('identity', { category, type, name, 'xml:lang': 'en' })),
    ...info.features.map((feature) => el('feature', { var: feature })),
    ...(info.forms ?? []).map((form) => renderForm(form)),
  )
}

function isRoot(endpoint: EndpointView, node: string | undefined): boolean {
  return endpoint.at === 'server' && node === undefined
}

/** What the domain itself lists before what modules add: its services, and the components that are connected. */
function servicesOf(services: readonly EndpointView[], endpoints: Endpoints): readonly DiscoItem[] {
  return [...services.map(({ address }) => address), ...endpoints.connected()].map((jid) => ({ jid }))
}

/** An answer that holds less than there is says so, whether or not a page was asked for. XEP-0059 §2.1. */
function isCut(listed: Page<DiscoItem>): boolean {
  return listed.hasMore ?? listed.items.length < (listed.count ?? 0)
}

function renderItem({ jid, node, name, form }: DiscoItem): Element {
  return el('item', { jid, node, name }, form && renderForm(form))
}
