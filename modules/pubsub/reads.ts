/** What is read of the items: by their ids, or a page at a time. Importable in the storage worker. */

import type { Order } from './order.ts'
import type { ItemRecord, NodeRef, Position } from './records.ts'

/** Items an asker may see: all, or those without a scope and with one of these. */
export type Visible = 'all' | readonly string[]

/** An item of a page. */
export interface PagedItem extends ItemRecord {
  readonly position: Position
  /** Of an archive: it was taken away, and this is its place. XEP-0313 §3.2 */
  readonly isGone?: boolean
}

/** What a page begins at: an item by its id, or a position, which outlives its item. */
export type Place = { readonly itemId: string } | Position

/** A part of the order; what is undefined is no bound. XEP-0313 §4.1 */
export interface Within {
  /** Between these, which are kept themselves. */
  readonly after: Position | undefined
  readonly before: Position | undefined
  /** UTC milliseconds, both included. */
  readonly fromMs: number | undefined
  readonly toMs: number | undefined
}

/** Where a page begins. XEP-0059 §2.2 to §2.5. */
export type PageStart =
  | { readonly at: 'start' }
  | { readonly at: 'end' }
  | { readonly at: 'after'; readonly place: Place }
  | { readonly at: 'before'; readonly place: Place }
  | { readonly at: 'index'; readonly index: number }

export interface ReadPage extends NodeRef {
  readonly visible: Visible
  readonly start: PageStart
  readonly order: Order
  /** Of the archive, which has the node's past too: a part, or all; a page begins at what is kept. */
  readonly within?: Within
  /** Items published later are left out of the order of publication: nobody has been told of them yet. */
  readonly lastSeq: number
  /** The farthest from an end that an index may be: it is counted item by item. */
  readonly indexMax: number
  /** The most items that are put in order, or passed over, where none has an index by creation. */
  readonly passedMax: number
  /** 0 asks for the count only. */
  readonly max: number
  /** Payload characters at most; one item is returned whatever its size. */
  readonly maxChars: number
  readonly withPayloads: boolean
}

export interface ItemPage {
  /** In the order asked for. */
  readonly items: readonly PagedItem[]
  /** Undefined of a part, and of an archive too much of which is of before it begins, or whose past is too much. */
  readonly count: number | undefined
  /** Position of the first; undefined where counting would be dear. */
  readonly index: number | undefined
  /** Of a part: is there more of it, the way it was read? */
  readonly hasMore: boolean
}

/** Of several nodes of a service in one order. */
export interface ReadCollected
  extends Pick<ReadPage, 'start' | 'order' | 'lastSeq' | 'max' | 'maxChars' | 'withPayloads'> {
  readonly service: string
  readonly nodeIds: readonly string[]
}

export interface CollectedItem extends PagedItem {
  readonly nodeId: string
}

export interface CollectedPage extends ItemPage {
  readonly items: readonly CollectedItem[]
}

export interface ReadItems extends NodeRef {
  readonly visible: Visible
  readonly itemIds: readonly string[]
  readonly maxChars: number
}

/** Of an archive, by their places in the order of publication. */
export interface ReadArchived extends NodeRef {
  readonly visible: Visible
  readonly seqs: readonly number[]
  readonly maxChars: number
}
