/** Pages of what the domain lists are those of one list, however small the parts that modules answer with. XEP-0059 §2 */

import { expect, test } from 'vitest'
import { domainItems } from '../../../modules/disco/domain.ts'
import type { DiscoItem } from '../../../server/module/api.ts'
import { pageOf, pageOfSorted, type RsmRequest } from '../../../server/stanza/rsm.ts'
import { random } from '../../support/random.ts'

const DOMAIN = 'test'
/** What a module has its places by is its own matter. */
const keyOf = ({ node = '' }: DiscoItem) => `@${node}`
const idOf = (item: DiscoItem) => (item.node === undefined ? item.jid : `${item.jid}${keyOf(item)}`)

test.each([1, 2, 3])('pages of seed %i', async (seed) => {
  const from = random(seed)
  for (let round = 0; round < 400; round += 1) {
    const heads = Array.from({ length: from.int(4) }, (_, at): DiscoItem => ({ jid: `s${at}.test` }))
    const nodes = Array.from({ length: from.int(9) }, (_, at): DiscoItem => ({ jid: DOMAIN, node: `n${at}` }))
    const part = 1 + from.int(4)
    const rest = async (page: RsmRequest) => pageOfSorted(nodes, keyOf, page, part)
    const all = [...heads, ...nodes]
    const max = from.pick([0, 1, 3, 5, 20])
    const place = all.length > 0 ? idOf(from.pick(all)) : ''
    const places: (RsmRequest & { max: number })[] = [{ max }, { max, index: from.int(15) }, { max, before: '' }]
    if (place !== '') places.push({ max, after: place }, { max, before: place })
    const request = from.pick(places)
    const expected = pageOf(all, idOf, request, 500)
    expect(await domainItems(DOMAIN, heads, rest, request), JSON.stringify([all.map(idOf), part, request])).toEqual(
      expected,
    )
  }
})

test('a place that is none is item-not-found', async () => {
  const rest = async () => undefined
  for (const page of [{ after: 'x' }, { before: 'x' }, { after: DOMAIN }, { before: DOMAIN }])
    await expect(domainItems(DOMAIN, [], rest, { max: 1, ...page })).rejects.toMatchObject({
      condition: 'item-not-found',
    })
})
