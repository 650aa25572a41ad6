/** Binding a resource, and what goes with it, inside a SASL2 login. XEP-0386; XEP-0198 §7. */

import { createHash, randomBytes } from 'node:crypto'
import { StanzaError } from '../stanza/errors.ts'
import type { Jid } from '../stanza/jid.ts'
import { childElements, childOf, type Element, el, textOf } from '../xml/element.ts'
import { NS_BIND2 } from '../xml/namespaces.ts'
import type { StreamHandle, StreamUser } from './context.ts'
import type { InlineFeatures, LoginRequest } from './sasl2.ts'

/** What can be negotiated inside a login, by who knows how. */
export interface Inline extends InlineFeatures {
  /**
   * Goes on with an earlier session; undefined: `<authenticate/>` asks for none.
   * @returns what answers it, and the session when it could be resumed
   * @throws StreamError which closes the stream
   */
  resume(stream: StreamHandle, account: Jid, children: readonly Element[]): InlineResume | undefined
  /** Turns on what a child of `<bind/>` asks for. @returns its answer; undefined: none is due, or it is not known */
  enable(user: StreamUser, request: Element): Element | undefined
}

interface InlineResume {
  readonly answer: Element
  readonly session: StreamUser | undefined
}

export interface Bound {
  /** Who uses the stream now; undefined when nothing was bound. */
  readonly user: StreamUser | undefined
  /** Children of `<success/>`. */
  readonly results: readonly Element[]
  /** Namespaces of what has been negotiated. */
  readonly negotiated: ReadonlySet<string | undefined>
}

type Bind = (stream: StreamHandle, account: Jid, resource: string | undefined) => StreamUser

/** In this order: resumption, and only when that fails binding. XEP-0386 §4.2. */
export function bindInline(
  stream: StreamHandle,
  account: Jid,
  request: LoginRequest,
  { inline, bind }: { readonly inline: Inline; readonly bind: Bind },
): Bound {
  const resumed = inline.resume(stream, account, request.inline)
  if (resumed?.session)
    return { user: resumed.session, results: [resumed.answer], negotiated: namesOf([resumed.answer]) }
  const results = resumed ? [resumed.answer] : []
  if (!request.bind) return { user: undefined, results, negotiated: NOTHING }
  const user = tryBind(() => bind(stream, account, resourceFor(account, request)))
  if (!user) return { user, results, negotiated: NOTHING }
  const answers: Element[] = []
  for (const child of childElements(request.bind)) {
    const answer = child.getNS() === NS_BIND2 ? undefined : inline.enable(user, child)
    if (answer) answers.push(answer)
  }
  const bound = el('bound', { xmlns: NS_BIND2 }, ...answers)
  return { user, results: [...results, bound], negotiated: namesOf(answers) }
}

const NOTHING: ReadonlySet<string | undefined> = new Set()
const namesOf = (answers: readonly Element[]) => new Set(answers.map((answer) => answer.getNS()))

/** The login stands though no resource is free: the client is told when it asks again, by RFC 6120 §7.6.2. */
function tryBind(bind: () => StreamUser): StreamUser | undefined {
  try {
    return bind()
  } catch (error) {
    if (error instanceof StanzaError) return undefined
    throw error
  }
}

const MAX_TAG_CHARS = 64
const GENERATED_BYTES = 9

/**
 * `tag/generated`. An installation that says who it is gets the same one each time, so that it takes the place of the
 * session that it had before; its id cannot be found from it. Undefined: whatever the server makes. XEP-0386 §4.2.1.
 */
function resourceFor(account: Jid, { bind, client }: LoginRequest): string | undefined {
  const tagElement = bind && childOf(bind, 'tag', NS_BIND2)
  const tag = tagElement ? textOf(tagElement).trim().slice(0, MAX_TAG_CHARS) : ''
  if (client === undefined && tag === '') return undefined
  const generated =
    client === undefined
      ? randomBytes(GENERATED_BYTES)
      : createHash('sha256').update(`${account.bare}\0${client}`).digest().subarray(0, GENERATED_BYTES)
  const name = generated.toString('base64url')
  return tag === '' ? name : `${tag}/${name}`
}
