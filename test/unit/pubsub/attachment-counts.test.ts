/** What is attached is counted once per account, and a summary holds its own counts. XEP-0470 §4.5 to §4.8. */

import { describe, expect, test } from 'vitest'
import {
  type Attached,
  attachedBefore,
  attachedIn,
  checkAttachments,
  counted,
  parseSummary,
  renderSummary,
} from '../../../modules/pubsub/attachment-counts.ts'
import { parseStored } from '../../../server/xml/parser.ts'
import { random } from '../../support/random.ts'

const NS = 'urn:xmpp:pubsub-attachments:1'
const SUMMARY = 'urn:xmpp:pubsub-attachments:summary:1'
const BOUNDS = { reactionsPerAttachmentMax: 3, reactionMaxChars: 4 }
const attachments = (inner: string) => parseStored(`<attachments xmlns='${NS}'>${inner}</attachments>`)
const NOTHING: Attached = { isNoticed: false, reactions: [] }
const EMPTY = parseSummary(undefined)

test('what an account attaches: noticed or not, and each reaction once', () => {
  expect(attachedIn(attachments(''))).toEqual(NOTHING)
  const inner = `<noticed timestamp='2022-07-11T12:07:24Z'/><reactions><reaction> 👷 </reaction><reaction>🔨</reaction>
    <reaction>👷</reaction><x xmlns='urn:x'>🔧</x></reactions><noticed xmlns='urn:x'/><reaction>🚧</reaction>`
  expect(attachedIn(attachments(inner))).toEqual({ isNoticed: true, reactions: ['👷', '🔨'] })
  expect(attachedIn(attachments(`<noticed xmlns='urn:x'/>`))).toEqual(NOTHING)
})

describe('what an account may publish', () => {
  test.each([
    '',
    '<noticed/>',
    `<x xmlns='urn:x'/><noticed/>`,
    '<reactions/>',
    '<reactions><reaction>1234</reaction><reaction>b</reaction><reaction>c</reaction><reaction>c</reaction></reactions>',
  ])('%s', (inner) => {
    expect(checkAttachments(attachments(inner), BOUNDS)).toEqual(attachedIn(attachments(inner)))
  })
  test.each([
    ['<noticed/><noticed/>', 'bad-request'],
    ['<reactions/><reactions/>', 'bad-request'],
    ['<reactions><reaction/></reactions>', 'bad-request'],
    ['<reactions><reaction> </reaction></reactions>', 'bad-request'],
    ['<reactions><reaction>12345</reaction></reactions>', 'not-acceptable'],
    [
      `<reactions>${['a', 'b', 'c', 'd'].map((each) => `<reaction>${each}</reaction>`).join('')}</reactions>`,
      'not-acceptable',
    ],
  ])('not %s', (inner, condition) => {
    expect(() => checkAttachments(attachments(inner), BOUNDS)).toThrow(expect.objectContaining({ condition }))
  })
  test.each([`<attachments xmlns='${NS}x'/>`, `<noticed xmlns='${NS}'/>`])('not %s', (payload) => {
    const refusal = expect.objectContaining({ condition: 'bad-request' })
    expect(() => checkAttachments(parseStored(payload), BOUNDS)).toThrow(refusal)
    expect(() => checkAttachments(undefined, BOUNDS)).toThrow(refusal)
  })
})

test('a summary as the specification shows it', () => {
  const reactions = new Map([
    ['👷', 1],
    ['💃', 22],
    ['<&', 2],
  ])
  const written = renderSummary({ noticed: 25, reactions })
  expect(written).toBe(
    `<summary xmlns="${SUMMARY}"><noticed count="25"/><reactions><reaction count="22">💃</reaction>` +
      '<reaction count="2">&lt;&amp;</reaction><reaction>👷</reaction></reactions></summary>',
  )
  expect(parseSummary(written)).toEqual({ noticed: 25, reactions })
  expect(renderSummary(EMPTY)).toBe(`<summary xmlns="${SUMMARY}"/>`)
  expect(parseSummary(renderSummary(EMPTY))).toEqual(EMPTY)
})

test('the summary of any changes is that of what is attached in the end', () => {
  const chance = random(4_700)
  const all = ['a', 'b', 'c', 'd', 'e', '👷', '<', '&']
  const held = new Map<string, Attached>()
  let written = renderSummary(EMPTY)
  for (let round = 0; round < 500; round++) {
    const account = `u${chance.int(8)}@test`
    const reactions = all.filter(() => chance.int(3) === 0)
    const after = chance.int(4) === 0 ? undefined : { isNoticed: chance.int(2) === 0, reactions }
    written = renderSummary(counted(parseSummary(written), held.get(account) ?? attachedBefore(undefined), after))
    if (after) held.set(account, after)
    else held.delete(account)
    const counts = all.map((each) => [each, [...held.values()].filter((one) => one.reactions.includes(each)).length])
    const noticed = [...held.values()].filter(({ isNoticed }) => isNoticed).length
    expect(parseSummary(written).noticed).toBe(noticed)
    expect(Object.fromEntries(parseSummary(written).reactions)).toEqual(
      Object.fromEntries(counts.filter(([, count]) => count !== 0)),
    )
  }
})
