/** Stream management on the wire: enabling, acknowledgements, resumption over a new connection. XEP-0198 §3 to §6. */

import { randomText } from '../auth/random.ts'
import type { Logger } from '../log.ts'
import { StanzaError, StreamError } from '../stanza/errors.ts'
import type { Jid } from '../stanza/jid.ts'
import type { Nonza, NonzaStream, StreamHandle } from '../stream/context.ts'
import type { Stage } from '../stream/features.ts'
import { attr, type Element, el } from '../xml/element.ts'
import { NS_SM } from '../xml/namespaces.ts'
import { Session } from './session.ts'

const FEATURE = el('sm', { xmlns: NS_SM })
const ID_BYTES = 24
/** Ended sessions whose last number is still told: XEP-0198 §5, `<failed h/>`. */
const MAX_PAST = 1_000

/** The answer to `<resume/>`: `<resumed/>` with the session to go on with, or `<failed/>`. */
export interface Resumed {
  readonly answer: Element
  /** The caller answers the client, then lets the stream adopt it. */
  readonly session: Session | undefined
}

interface Past {
  readonly bareJid: string
  readonly received: number
}

export class StreamManagement implements Nonza {
  readonly #maxMs: number
  readonly #log: Logger
  readonly #sessions = new Map<string, Session>()
  readonly #past = new Map<string, Past>()

  /** @param maxMs  that a session waits for its client; 0: none is resumed */
  constructor(maxMs: number, log: Logger) {
    this.#maxMs = maxMs
    this.#log = log
  }

  /** XEP-0198 §3: once authenticated. */
  feature(stage: Stage): Element | undefined {
    return stage === 'bind' ? FEATURE : undefined
  }

  take(stream: NonzaStream, element: Element): boolean {
    const session = stream.user instanceof Session ? stream.user : undefined
    switch (element.getName()) {
      case 'enable':
        stream.reply(session ? this.enable(session, element) : unexpected())
        return true
      case 'resume':
        this.#resume(stream, element)
        return true
      case 'r':
        if (session?.isManaged) session.tellReceived()
        else stream.reply(unexpected())
        return true
      case 'a':
        if (session?.isManaged) session.acknowledge(handledCount(element) ?? malformed())
        else stream.reply(unexpected())
        return true
      default:
        return false
    }
  }

  /**
   * Begins counting on a bound session; whatever is sent on it next comes after the answer.
   * @returns `<enabled/>`
   * @throws StreamError policy-violation when it is enabled already. XEP-0198 §3
   */
  enable(session: Session, request: Element): Element {
    if (session.isManaged) throw new StreamError('policy-violation', 'stream management is enabled already')
    const maxMs = isTrue(attr(request, 'resume')) ? Math.min(this.#maxMs, wantedMs(attr(request, 'max'))) : 0
    if (maxMs === 0) {
      session.manage(undefined)
      return el('enabled', { xmlns: NS_SM })
    }
    const id = randomText(ID_BYTES, 'base64url')
    session.manage({ id, maxMs })
    this.#sessions.set(id, session)
    return el('enabled', { xmlns: NS_SM, id, resume: 'true', max: maxMs / 1000 })
  }

  /**
   * Moves a session of this account to another stream; the one it had, if it stands, ends with a conflict.
   * @throws StreamError undefined-condition with handled-count-too-high; the session stays where it was
   * XEP-0198 §5.
   */
  resume(stream: StreamHandle, account: Jid, request: Element): Resumed {
    if (this.#maxMs === 0) return refused('feature-not-implemented')
    const id = attr(request, 'previd')
    const h = handledCount(request)
    if (id === undefined || h === undefined) return refused('bad-request')
    const session = this.#sessions.get(id)
    // The same answer for no such session and for another account's.
    if (!session?.mayResume || session.bareJid !== account.bare) {
      const past = this.#past.get(id)
      return refused('item-not-found', past?.bareJid === account.bare ? past.received : undefined)
    }
    session.resume(stream, h)
    this.#log.info({ what: 'session_resumed', session: session.id, jid: session.fullJid.full })
    return { answer: el('resumed', { xmlns: NS_SM, previd: id, h: session.received }), session }
  }

  /** The session has ended for good. */
  forget(session: Session): void {
    const { id } = session.resumption ?? {}
    if (id === undefined || !this.#sessions.delete(id)) return
    this.#past.set(id, { bareJid: session.bareJid, received: session.received })
    const oldest = this.#past.size > MAX_PAST ? this.#past.keys().next().value : undefined
    if (oldest !== undefined) this.#past.delete(oldest)
  }

  #resume(stream: NonzaStream, element: Element): void {
    if (stream.stage !== 'bind' || !stream.account) {
      stream.reply(unexpected())
      return
    }
    const { answer, session } = this.resume(stream, stream.account, element)
    stream.reply(answer)
    if (session) stream.adopt(session)
  }
}

/** XEP-0198 §6: out of its order, and recoverable. */
function unexpected(): Element {
  return refused('unexpected-request').answer
}

function refused(
  condition: 'unexpected-request' | 'feature-not-implemented' | 'bad-request' | 'item-not-found',
  h?: number,
): Resumed {
  const [cause] = new StanzaError('cancel', condition).toElement().getChildElements()
  return { answer: el('failed', { xmlns: NS_SM, h }, cause), session: undefined }
}

function malformed(): never {
  throw new StreamError('bad-format', 'h is the number of stanzas handled')
}

/** An xs:unsignedInt; undefined when it is none. */
function handledCount(element: Element): number | undefined {
  const text = attr(element, 'h') ?? ''
  const count = Number(text)
  return /^\d{1,10}$/.test(text) && count < 2 ** 32 ? count : undefined
}

/** Infinity when the client has no wish, or none that can be read. */
function wantedMs(max: string | undefined): number {
  return max !== undefined && /^0*[1-9]\d{0,9}$/.test(max) ? Number(max) * 1000 : Number.POSITIVE_INFINITY
}

function isTrue(text: string | undefined): boolean {
  return text === 'true' || text === '1'
}
