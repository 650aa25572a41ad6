/** The load program's reader: what it cuts wrongly, the bench would count wrongly. */

import { describe, expect, test } from 'vitest'
import { attributeOf, FrameReader } from '../../bench/load/frames.ts'
import { percentile, Window } from '../../bench/load/window.ts'

const FRAMES = [
  `<?xml version='1.0'?>`,
  `<stream:stream from='localhost' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`,
  `<stream:features><bind xmlns='b'/></stream:features>`,
  `<iq type="result" id="r1"/>`,
  `<message from='a@b/c' id='m1'><body>1 &gt; 0</body></message>`,
  `<iq id='r2' type='result'><pubsub><items><item id='iq'>text</item></items></pubsub></iq>`,
  `</stream:stream>`,
]

function framesOf(text: string, size: number): string[] {
  const found: string[] = []
  const reader = new FrameReader((frame) => found.push(frame))
  for (let at = 0; at < text.length; at += size) reader.write(Buffer.from(text.slice(at, at + size), 'latin1'))
  return found
}

describe('frames', () => {
  test('are cut at the same places however the input is split', () => {
    const text = FRAMES.join('\n ')
    for (let size = 1; size <= text.length; size++) expect(framesOf(text, size)).toEqual(FRAMES)
  })

  test('attributes are those of the start tag alone', () => {
    expect(attributeOf(`<iq id='r2' type="result"><item node='n'/></iq>`, 'type')).toBe('result')
    expect(attributeOf(`<iq id='r2'><item node='n'/></iq>`, 'node')).toBeUndefined()
  })
})

describe('the window', () => {
  test('counts what ends in it, and says when it is over', () => {
    const window = new Window(100, 200)
    expect([99, 100, 199, 200].map((at) => window.record(at - 1, at))).toEqual([true, true, true, false])
    const { count, latencies } = window.report()
    expect(count).toBe(2)
    expect(percentile(latencies, 0.99)).toBeGreaterThanOrEqual(1)
    expect(percentile(latencies, 0.99)).toBeLessThan(1.3)
  })
})
