/** Result set management: the request's and the answer's `<set/>`, and pages in between. XEP-0059 1.0. */

import type { Element } from '../xml/element.ts'

/** A parsed `<set/>` request. At most one of after, before and index is set; `before: ''` asks for the last page. */
export interface RsmRequest {
  /** Items at most; 0 asks for the count only. XEP-0059 §2.7. */
  readonly max: number | undefined
  readonly after?: string
  readonly before?: string
  readonly index?: number
}

/** One page of results, in their order, with the ids that stand as its first and last. */
export interface Page<T> {
  readonly items: readonly T[]
  /** All items before paging; undefined when not counted. */
  readonly count: number | undefined
  /** Position of the first item in the whole; undefined when not known. */
  readonly index?: number
  /** The opaque ids of the first and last item; undefined on an empty page. */
  readonly first: string | undefined
  readonly last: string | undefined
}

export declare function parseRsm(parent: Element): RsmRequest | undefined
export declare function renderRsm(page: Page<unknown>): Element
