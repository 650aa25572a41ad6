/** One stanza for many receivers: written once, each delivery an envelope around the same text. DESIGN decision 5. */

import { randomUUID } from 'node:crypto'
import type { RawStanza } from '../module/api.ts'
import type { Jid } from '../stanza/jid.ts'
import { readdressed, stanzaName } from '../stanza/stanza.ts'
import { attr, type Element } from '../xml/element.ts'
import { escapeAttribute, serialize } from '../xml/serialize.ts'

/** Stands where the receiver's address will; nobody can guess it, so the first place it is found is the right one. */
const MARK = randomUUID()

/** @returns what writes the stanza for one receiver */
export function writeOnce(stanza: Element): (to: Jid) => RawStanza {
  let parts: readonly [string, string] | undefined
  const name = stanzaName(stanza) ?? 'presence'
  const type = attr(stanza, 'type')
  return (to) => {
    parts ??= split(serialize(readdressed(stanza, MARK)))
    return { name, to, type, xml: `${parts[0]}${escapeAttribute(to.full)}${parts[1]}` }
  }
}

function split(text: string): readonly [string, string] {
  const at = text.indexOf(MARK)
  return [text.slice(0, at), text.slice(at + MARK.length)]
}
