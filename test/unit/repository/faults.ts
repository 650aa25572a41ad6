/** What a codec refused, as a peer would see it. */

import { expect } from 'vitest'
import { NS_SACM_ERRORS } from '../../../modules/repository/xml.ts'
import { StanzaError } from '../../../server/stanza/errors.ts'
import type { Element } from '../../../server/xml/element.ts'
import { parseFragment } from '../../../server/xml/parser.ts'

/** Asserts that the XML is refused as payload-invalid at this place, and gives the error's text. */
export function expectFault(parse: (element: Element) => unknown, xml: string, path: string): string {
  let caught: unknown
  try {
    parse(parseFragment(xml))
  } catch (error) {
    caught = error
  }
  expect(caught, xml).toBeInstanceOf(StanzaError)
  // Just asserted.
  const error = caught as StanzaError
  const [application] = error.application
  expect([error.type, error.condition, application?.getNS(), application?.getName()], error.message).toEqual([
    'modify',
    'bad-request',
    NS_SACM_ERRORS,
    'payload-invalid',
  ])
  expect(application?.attrs['path'], error.message).toBe(path)
  expect(error.message).toMatch(/\(PROTOCOL\.md §\d/)
  return error.message
}
