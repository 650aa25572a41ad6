/** The asking side of result set management: a page's answer, and a walk over all pages. XEP-0059. */

import { type Page, parseRsmAnswer, type RsmRequest } from '../../server/stanza/rsm.ts'
import type { Element } from '../../server/xml/element.ts'

/** The page of `items` that the answer's `<set/>` describes; an answer without one is the whole. */
export function pageOf<T>(parent: Element, items: readonly T[]): Page<T> {
  return { items, ...(parseRsmAnswer(parent) ?? { count: undefined, first: undefined, last: undefined }) }
}

/** Pages at most in one walk, so that a peer that never ends cannot hold us. */
const MAX_PAGES = 100_000

/**
 * Walks forward over all pages.
 * @param fetch  one page after the given id
 * @throws Error when the peer gives the same page again or never ends
 */
export async function* pages<P extends Page<unknown>>(
  fetch: (request: RsmRequest) => Promise<P>,
  max: number,
): AsyncGenerator<P> {
  let after: string | undefined
  for (let number = 0; number < MAX_PAGES; number++) {
    const page = await fetch(after === undefined ? { max } : { max, after })
    if (page.items.length > 0) yield page
    // XEP-0059 §2.2: an empty page ends the walk; so does a page without ids, which is then the whole.
    if (page.items.length === 0 || page.last === undefined) return
    if (page.last === after) throw new Error('the same page was answered twice')
    const reached = page.index === undefined ? undefined : page.index + page.items.length
    if (page.count !== undefined && reached !== undefined && reached >= page.count) return
    after = page.last
  }
  throw new Error(`more than ${MAX_PAGES} pages`)
}
