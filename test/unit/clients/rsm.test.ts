/** The walk over all pages ends, whatever the other side answers. XEP-0059. */

import { describe, expect, it } from 'vitest'
import { pages } from '../../../clients/core/rsm.ts'
import type { Page, RsmRequest } from '../../../server/stanza/rsm.ts'

async function walk(fetch: (request: RsmRequest) => Promise<Page<number>>): Promise<number[]> {
  const all: number[] = []
  for await (const page of pages(fetch, 3)) all.push(...page.items)
  return all
}

/** A peer with the numbers 0 to 7. */
function peer(withCount: boolean) {
  const asked: RsmRequest[] = []
  const fetch = async (request: RsmRequest): Promise<Page<number>> => {
    asked.push(request)
    const from = request.after === undefined ? 0 : Number(request.after) + 1
    const items = [0, 1, 2, 3, 4, 5, 6, 7].slice(from, from + (request.max ?? 8))
    const [first, last] = [items[0], items.at(-1)]
    return {
      items,
      count: withCount ? 8 : undefined,
      ...(withCount ? { index: from } : {}),
      first: first === undefined ? undefined : `${first}`,
      last: last === undefined ? undefined : `${last}`,
    }
  }
  return { asked, fetch }
}

describe('a walk', () => {
  it('takes every page once, and with a count no more', async () => {
    const counted = peer(true)
    expect(await walk(counted.fetch)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    expect(counted.asked).toEqual([{ max: 3 }, { max: 3, after: '2' }, { max: 3, after: '5' }])
  })

  it('without a count ends at the empty page', async () => {
    const uncounted = peer(false)
    expect(await walk(uncounted.fetch)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    expect(uncounted.asked).toHaveLength(4)
  })

  it('takes an answer without <set/> as the whole', async () => {
    expect(await walk(async () => ({ items: [1, 2], count: undefined, first: undefined, last: undefined }))).toEqual([
      1, 2,
    ])
  })

  it('does not go round in circles', async () => {
    const circle = async () => ({ items: [1], count: undefined, first: 'a', last: 'a' })
    await expect(walk(circle)).rejects.toThrow(/same page/)
  })
})
