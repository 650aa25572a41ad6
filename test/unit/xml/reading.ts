/** Feeds a parser in every way that a network may cut its input, and notes what came out. */

import { StreamError } from '../../../server/stanza/errors.ts'
import { Element } from '../../../server/xml/element.ts'
import { DEFAULT_LIMITS, type ParserLimits, StreamParser } from '../../../server/xml/parser.ts'
import { random } from '../../support/random.ts'

/** What a parser told, in order, and the condition of the fault that ended it. */
export interface Reading {
  readonly events: readonly string[]
  readonly fault: string | undefined
}

/** The tree as text in which nothing is left to interpretation. */
export function show(element: Element): string {
  const attributes = Object.keys(element.attrs)
    .sort()
    .map((name) => `${name}=${JSON.stringify(element.attrs[name])}`)
  const children = element.children.map((child) => (child instanceof Element ? show(child) : JSON.stringify(child)))
  return `${element.name}{${element.getNS() ?? ''}}(${attributes.join(' ')})[${children.join(' ')}]`
}

/** Reads the chunks to their end. */
export function read(chunks: Iterable<Buffer>, limits: ParserLimits = DEFAULT_LIMITS): Reading {
  const events: string[] = []
  let whitespace = false
  const parser = new StreamParser(limits, {
    onOpen: (root) => events.push(`open ${show(root)}`),
    onElement: (stanza) => events.push(`stanza ${show(stanza)}`),
    onClose: () => events.push('close'),
    // White space may be told once per chunk; here once in all between two others.
    onWhitespace: () => {
      whitespace = true
    },
  })
  try {
    for (const chunk of chunks) parser.write(chunk)
    parser.end()
  } catch (error) {
    if (!(error instanceof StreamError)) throw error
    return { events, fault: error.condition }
  }
  return { events: whitespace ? [...events, 'white space'] : events, fault: undefined }
}

/** The input whole, byte by byte, and in `count` seeded random splits. */
export function* splits(input: Buffer, seed: number, count = 8): Generator<readonly Buffer[]> {
  yield [input]
  yield Array.from(input, (_, at) => input.subarray(at, at + 1))
  const chance = random(seed)
  for (let i = 0; i < count; i++) {
    const chunks: Buffer[] = []
    for (let at = 0; at < input.length; ) {
      const length = 1 + chance.int(i % 2 === 0 ? 7 : 40)
      chunks.push(input.subarray(at, at + length))
      at += length
    }
    yield chunks
  }
}
