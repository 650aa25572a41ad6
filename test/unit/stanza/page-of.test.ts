/** Pages of lists in memory. XEP-0059 §2. */

import { expect, test } from 'vitest'
import { pageOf, pageOfSorted, type RsmRequest } from '../../../server/stanza/rsm.ts'

const letters = ['a', 'b', 'c', 'd', 'e']
const page = (request: RsmRequest | undefined) => pageOf(letters, (letter) => letter, request, 3)
const sorted = (request: RsmRequest) => pageOfSorted(letters, (letter) => letter, request, 3)

test.each<[string, RsmRequest | undefined, readonly string[], number | undefined]>([
  ['no request: as many as there may be', undefined, ['a', 'b', 'c'], 0],
  ['§2.1 a limit', { max: 2 }, ['a', 'b'], 0],
  ['a limit beyond ours', { max: 100 }, ['a', 'b', 'c'], 0],
  ['§2.2 after', { max: 2, after: 'b' }, ['c', 'd'], 2],
  ['after the last', { max: 2, after: 'e' }, [], undefined],
  ['§2.3 before', { max: 2, before: 'd' }, ['b', 'c'], 1],
  ['before, with fewer than asked for', { max: 3, before: 'c' }, ['a', 'b'], 0],
  ['§2.5 the last page', { max: 2, before: '' }, ['d', 'e'], 3],
  ['§2.6 by index', { max: 2, index: 3 }, ['d', 'e'], 3],
  ['an index past the end', { max: 2, index: 9 }, [], undefined],
  ['§2.7 the count alone', { max: 0 }, [], undefined],
])('%s', (_, request, items, index) => {
  for (const found of [page(request), sorted(request ?? { max: undefined })]) {
    expect(found.items).toEqual(items)
    expect(found.count).toBe(5)
    expect(found.index).toBe(index)
    expect([found.first, found.last]).toEqual([items[0], items.at(-1)])
  }
})

test('§2.2, §2.3  an item that is not there', () => {
  for (const place of [{ after: 'x' }, { before: 'x' }])
    expect(() => page({ max: 1, ...place })).toThrow(expect.objectContaining({ condition: 'item-not-found' }))
})

test('§2.4  in a list that is sorted by its ids, a place is known without its item', () => {
  expect(sorted({ max: 2, after: 'bb' }).items).toEqual(['c', 'd'])
  expect(sorted({ max: 2, before: 'bb' }).items).toEqual(['a', 'b'])
  expect(sorted({ max: 2, after: 'z' })).toMatchObject({ items: [], count: 5 })
  expect(sorted({ max: 2, before: 'A' })).toMatchObject({ items: [], count: 5 })
})
