/**
 * What the domain lists of itself: its services and components, then what modules add there, as one list with pages.
 * Of what modules add only the part that is shown is asked for, so a page costs what is in it. XEP-0030 §4, XEP-0059 §2.
 */

import type { DiscoItem } from '../../server/module/api.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import type { Page, RsmRequest } from '../../server/stanza/rsm.ts'

type BoundRequest = RsmRequest & { readonly max: number }
type Rest = (page: RsmRequest) => Promise<Page<DiscoItem> | undefined>

const NONE: Page<DiscoItem> = { items: [], count: 0, first: undefined, last: undefined }

/**
 * @param heads  what comes first
 * @param rest  a page of the others, in the order that was asked for; they are at the domain itself
 * @param request  for no more than is to be listed in one answer
 * @throws StanzaError item-not-found for a place that is none
 */
export async function domainItems(
  domain: string,
  heads: readonly DiscoItem[],
  rest: Rest,
  request: BoundRequest,
): Promise<Page<DiscoItem>> {
  const { max } = request
  const { count: others = 0 } = (await rest({ max: 0 })) ?? NONE
  const count = heads.length + others
  const found = await (request.before === undefined ? forward : backward)({ domain, heads, rest, request, max })
  const { items, index, first, last } = found
  return { items, count, ...(items.length > 0 && index !== undefined && { index }), first, last }
}

interface Asked {
  readonly domain: string
  readonly heads: readonly DiscoItem[]
  readonly rest: Rest
  readonly request: RsmRequest
  readonly max: number
}

interface Found {
  readonly items: readonly DiscoItem[]
  /** Of the first. */
  readonly index: number | undefined
  /** What stands for both ends: a JID, or the domain and what stands for it where it is from. */
  readonly first: string | undefined
  readonly last: string | undefined
}

const NOTHING: Found = { items: [], index: undefined, first: undefined, last: undefined }

async function forward({ domain, heads, rest, request, max }: Asked): Promise<Found> {
  const { after, index } = request
  const place = after === undefined ? { head: (index ?? 0) - 1 } : placeOf(domain, heads, after)
  if ('node' in place) return behind(domain, heads, await gather(rest, max, { after: place.node }))
  const start = place.head + 1
  const own = heads.slice(start, start + max)
  const others = await gather(rest, max - own.length, start > heads.length ? { index: start - heads.length } : {})
  return joined(own, start, behind(domain, heads, others))
}

async function backward({ domain, heads, rest, request: { before = '' }, max }: Asked): Promise<Found> {
  const place = before === '' ? { node: '' } : placeOf(domain, heads, before)
  const isHead = 'head' in place
  const others = isHead ? NOTHING : await gather(rest, max, { before: place.node })
  const end = isHead ? place.head : heads.length
  const own = heads.slice(Math.max(0, end - (max - others.items.length)), end)
  return joined(own, end - own.length, behind(domain, heads, others))
}

function behind(domain: string, heads: readonly DiscoItem[], { items, index, first, last }: Found): Found {
  const idOf = (key: string | undefined) => (key === undefined ? undefined : `${domain}${key}`)
  return { items, index: index === undefined ? undefined : heads.length + index, first: idOf(first), last: idOf(last) }
}

function joined(own: readonly DiscoItem[], index: number, others: Found): Found {
  if (own.length === 0) return others
  return { items: [...own, ...others.items], index, first: own[0]?.jid, last: others.last ?? own.at(-1)?.jid }
}

/** So many of the others, from a place on: modules answer with smaller pages. */
async function gather(rest: Rest, max: number, place: Omit<RsmRequest, 'max'>): Promise<Found> {
  let items: readonly DiscoItem[] = []
  let [index, first, last]: [number?, string?, string?] = []
  let next: Omit<RsmRequest, 'max'> = place
  while (items.length < max) {
    const page = (await rest({ max: max - items.length, ...next })) ?? NONE
    const isBackward = next.before !== undefined
    items = isBackward ? [...page.items, ...items] : [...items, ...page.items]
    if (page.first === undefined || page.last === undefined) break
    if (isBackward || first === undefined) {
      index = page.index
      first = page.first
    }
    last = isBackward ? (last ?? page.last) : page.last
    const isEnd = isBackward ? page.index === 0 : (page.index ?? 0) + page.items.length >= (page.count ?? 0)
    if (isEnd) break
    next = isBackward ? { before: page.first } : { after: page.last }
  }
  return { items, index, first, last }
}

function placeOf(domain: string, heads: readonly DiscoItem[], id: string): { head: number } | { node: string } {
  const head = heads.findIndex(({ jid }) => jid === id)
  if (head >= 0) return { head }
  if (id.startsWith(domain) && id !== domain) return { node: id.slice(domain.length) }
  throw new StanzaError('cancel', 'item-not-found', 'the page would begin at an item that is not there')
}
