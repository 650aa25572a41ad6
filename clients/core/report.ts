/** Posture reports on their way out: cut into parts under the server's stanza limit, with ids that make a retry harmless. SACM-XMPP §3, Reports. */

import { createHash } from 'node:crypto'
import { NS_POSTURE, type PostureAttribute, type PostureReport, renderReport } from '../../modules/repository/xml.ts'
import { childrenOf } from '../../server/xml/element.ts'
import { serialize } from '../../server/xml/serialize.ts'

/** What stands around a report on the wire: iq, pubsub, publish and item with addresses and ids. */
const ENVELOPE_BYTES = 2_048
/** Parts that the repository takes of one report. */
const MAX_PARTS = 1_000

/** What the split needs to know: how large it may be, and the id that all parts share. */
export interface SplitOptions {
  readonly maxStanzaBytes: number
  readonly set: string
}

/**
 * The report itself when it fits, else its parts in order. An attribute that is too large for any stanza becomes an
 * error that says so: it is neither left out nor cut.
 * @throws RangeError when even the parts would be too many
 */
export function splitReport(report: PostureReport, { maxStanzaBytes, set }: SplitOptions): readonly PostureReport[] {
  const budget = maxStanzaBytes - ENVELOPE_BYTES
  if (sizeOf(report) <= budget) return [report]

  const frame = sizeOf({ ...report, attributes: [], part: { set, number: MAX_PARTS, of: MAX_PARTS } })
  const room = budget - frame
  if (room <= 0) throw new RangeError(`a stanza of ${maxStanzaBytes} bytes cannot hold any attribute`)
  const groups: PostureAttribute[][] = []
  let group: PostureAttribute[] = []
  let used = 0
  for (let { attribute, bytes } of sizesOf(report)) {
    if (bytes > room) {
      attribute = tooLarge(attribute, room)
      bytes = sizesOf({ ...report, attributes: [attribute] })[0]?.bytes ?? 0
    }
    if (group.length > 0 && used + bytes > room) {
      groups.push(group)
      group = []
      used = 0
    }
    group.push(attribute)
    used += bytes
  }
  if (group.length > 0) groups.push(group)
  if (groups.length > MAX_PARTS) throw new RangeError(`the report needs ${groups.length} parts of ${MAX_PARTS} allowed`)
  if (groups.length === 1) return [{ ...report, attributes: groups[0] ?? [] }]
  return groups.map((attributes, index) => ({
    ...report,
    attributes,
    part: { set, number: index + 1, of: groups.length },
  }))
}

/**
 * An item id that is the same whenever the same work is reported again.
 * @param parts  what makes the work this one and no other
 */
export function deterministicId(...parts: readonly string[]): string {
  const hash = createHash('sha256')
  // The length stands before each part, so that no two lists of parts give the same text.
  for (const part of parts) hash.update(`${part.length}:${part}`)
  return hash.digest('base64url').slice(0, 32)
}

function sizeOf(report: PostureReport): number {
  return Buffer.byteLength(serialize(renderReport(report)))
}

/** Each attribute with the bytes it takes on the wire. */
function sizesOf(report: PostureReport): readonly { attribute: PostureAttribute; bytes: number }[] {
  const rendered = childrenOf(renderReport(report), 'attribute', NS_POSTURE)
  return report.attributes.map((attribute, index) => {
    const element = rendered[index]
    return { attribute, bytes: element ? Buffer.byteLength(serialize(element, NS_POSTURE)) : 0 }
  })
}

function tooLarge(attribute: PostureAttribute, room: number): PostureAttribute {
  const bytes = Buffer.byteLength(attribute.value ?? '')
  const reason = `the value of ${bytes} bytes does not fit a stanza, which has room for ${room}`
  return { name: attribute.name, value: undefined, type: attribute.type, status: 'error', reason }
}
