/** Result set management, request and answer. XEP-0059. */

import { describe, expect, it } from 'vitest'
import { parseRsm, parseRsmAnswer, renderRsm, renderRsmRequest } from '../../../server/stanza/rsm.ts'
import { el } from '../../../server/xml/element.ts'
import { parseFragment } from '../../../server/xml/parser.ts'
import { serialize } from '../../../server/xml/serialize.ts'

const NS = 'http://jabber.org/protocol/rsm'
const query = (content: string) => parseFragment(`<query xmlns='u'><set xmlns='${NS}'>${content}</set></query>`)

describe('requests', () => {
  it.each([
    ['<max>10</max>', { max: 10 }],
    ['<max>0</max>', { max: 0 }],
    ['', { max: undefined }],
    ['<max>10</max><after>x y</after>', { max: 10, after: 'x y' }],
    ['<max>10</max><after/>', { max: 10 }],
    ['<max> 10 </max><before>b</before>', { max: 10, before: 'b' }],
    ['<max>10</max><before/>', { max: 10, before: '' }],
    ['<max>10</max><index>371</index>', { max: 10, index: 371 }],
    ['<max>10</max><other/>', { max: 10 }],
    ["<max xmlns='v'>1</max>", { max: undefined }],
  ])('%s', (content, expected) => {
    const request = parseRsm(query(content))
    expect(request).toEqual(expected)
    if (request) expect(parseRsm(el('query', {}, renderRsmRequest(request)))).toEqual(expected)
  })

  it.each([
    '<max>ten</max>',
    '<max/>',
    '<max>-1</max>',
    '<max>1.5</max>',
    '<max>1e3</max>',
    '<max>9999999999</max>',
    '<index>-1</index>',
    '<max>1</max><max>2</max>',
    '<after>a</after><before>b</before>',
    '<before/><index>1</index>',
  ])('refuses %s', (content) => {
    expect(() => parseRsm(query(content))).toThrow(
      expect.objectContaining({ name: 'StanzaError', type: 'modify', condition: 'bad-request' }),
    )
  })

  it('there is none', () => {
    expect(parseRsm(parseFragment("<query xmlns='u'><set/></query>"))).toBeUndefined()
  })
})

describe('answers', () => {
  it.each([
    [
      { items: [1, 2], count: 800, index: 0, first: 'a', last: 'b' },
      '<first index="0">a</first><last>b</last><count>800</count>',
    ],
    [{ items: [1], count: undefined, first: 'a', last: 'a' }, '<first>a</first><last>a</last>'],
    [{ items: [], count: 790, first: undefined, last: undefined }, '<count>790</count>'],
    [{ items: [], count: 790, index: 5, first: undefined, last: undefined }, '<count>790</count>'],
  ])('%o', (page, content) => {
    const set = renderRsm(page)
    expect(serialize(set, NS)).toBe(`<set>${content}</set>`)
    const { count, first, last } = page
    const index = 'index' in page && first !== undefined ? { index: page.index } : {}
    expect(parseRsmAnswer(el('query', {}, set))).toEqual({ count, first, last, ...index })
  })

  it('there is none', () => {
    expect(parseRsmAnswer(el('query'))).toBeUndefined()
  })
})
