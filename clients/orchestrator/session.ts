/**
 * An orchestrator's connection: the services, its own component id, its response topic. Two kinds use it: the service,
 * which registers components, and a command, which only asks and listens. SACM-XMPP §2.
 */

import {
  type JobState,
  NS_JOB,
  parseJobState,
  parseRegister,
  parseRegistered,
  type Register,
  renderRegister,
  renderRegistered,
  type TopicRequest,
} from '../../modules/sacm/xml.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { parseJid } from '../../server/stanza/jid.ts'
import type { Element } from '../../server/xml/element.ts'
import { retry } from '../core/backoff.ts'
import { Client, type ClientEvent } from '../core/client.ts'
import { discover } from '../core/discover.ts'
import { Member } from '../core/member.ts'
import type { ClientOptions } from '../core/options.ts'
import { sacmProfile } from '../core/profile.ts'
import { sacmCondition } from '../core/topics.ts'
import { makeComponentId } from './component-id.ts'

export const TOPIC_REGISTRATION = '/orchestrator/registration'
const TYPE = 'orchestrator'

export interface SessionOptions extends ClientOptions {
  readonly name: string
  /** A command gives up where a service tries on, and shows no presence. */
  readonly isCommand: boolean
}

export interface SessionHooks {
  readonly onEvent: (event: SessionEvent) => void
  /** After discovery, before our own registration. */
  readonly beforeRegistration?: (session: Session, signal: AbortSignal) => Promise<void>
  /** When our id is known. */
  readonly afterRegistration?: (session: Session, signal: AbortSignal) => Promise<void>
}

export type SessionEvent =
  | ClientEvent
  | { readonly kind: 'waiting'; readonly step: string; readonly error: Error; readonly retryMs: number }
  | { readonly kind: 'registered'; readonly component: string }

const STEP_WAITS = { baseMs: 200, maxMs: 10_000 }
const COMMAND_ATTEMPTS = 4
/** Listeners for job states at one time. */
const MAX_LISTENERS = 1_000

export class Session extends Member {
  readonly #name: string
  readonly #isCommand: boolean
  readonly #hooks: SessionHooks
  readonly #listeners = new Map<string, (state: JobState) => void>()

  constructor(options: SessionOptions, hooks: SessionHooks) {
    const profile = sacmProfile({ type: TYPE, name: options.name, capabilities: [] })
    // Without presence a command takes nothing that is meant for the service of the same account.
    const client = new Client(options, { ...profile, presence: !options.isCommand }, hooks.onEvent)
    super('orchestrator', options.jid, client)
    this.#hooks = hooks
    this.#isCommand = options.isCommand
    this.#name = options.name
    client.onReady(async (connection) => {
      try {
        await this.#onboard(AbortSignal.any([connection, this.closing]))
      } catch (error) {
        if (this.#isCommand && !connection.aborted) this.failed(error)
        else throw error
      }
    })
  }

  /** Hears the states of a job until the function returned is called. @throws Error when too many are heard */
  listen(job: string, onState: (state: JobState) => void): () => void {
    if (this.#listeners.size >= MAX_LISTENERS) throw new Error(`${MAX_LISTENERS} jobs are being watched`)
    this.#listeners.set(job, onState)
    return () => this.#listeners.delete(job)
  }

  /** Tries until it succeeds or the connection ends; a command only a few times, and not what was refused. */
  step<T>(step: string, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    return retry(task, {
      ...STEP_WAITS,
      attempts: this.#isCommand ? COMMAND_ATTEMPTS : Number.POSITIVE_INFINITY,
      signal,
      mayRetry: (error) => !this.#isCommand || !(error instanceof StanzaError) || error.type === 'wait',
      onRetry: (cause, retryMs) => {
        const error = cause instanceof Error ? cause : new Error(String(cause))
        this.#hooks.onEvent({ kind: 'waiting', step, error, retryMs })
      },
    })
  }

  async #onboard(signal: AbortSignal): Promise<void> {
    const { domain } = parseJid(this.bareJid)
    this.discovered(await this.step('discovery', signal, () => discover(this.client, domain, { signal })))
    await this.#hooks.beforeRegistration?.(this, signal)
    const id = await this.step('registration', signal, () => this.#register(signal))
    this.registered(id)
    const hear = () => this.topics.handle(`/${id}/response`, (request) => this.#onResponse(request), signal)
    await this.step('the response topic', signal, hear)
    this.#hooks.onEvent({ kind: 'registered', component: id })
    await this.#hooks.afterRegistration?.(this, signal)
    this.completed()
  }

  /** Without an orchestrator's service running, we are the orchestrator for the moment that our own registration takes. */
  async #register(signal: AbortSignal): Promise<string> {
    try {
      return await this.#askId(signal)
    } catch (error) {
      if (sacmCondition(error) !== 'handler-offline') throw error
    }
    await this.topics.handle(TOPIC_REGISTRATION, (request) => registerComponent(request).answer, signal)
    try {
      return await this.#askId(signal)
    } finally {
      await this.topics.unhandle(TOPIC_REGISTRATION, signal)
    }
  }

  async #askId(signal: AbortSignal): Promise<string> {
    const register = renderRegister({ kind: 'new', type: TYPE, name: this.#name })
    const answer = await this.topics.request(TOPIC_REGISTRATION, register, { signal })
    if (!answer) throw new StanzaError('cancel', 'undefined-condition', 'the registration was answered with nothing')
    return parseRegistered(answer)
  }

  /** What is no job state (a report sent here by request) is accepted and left to who asked for it. */
  #onResponse(request: TopicRequest): undefined {
    if (request.payload.getNS() !== NS_JOB) return
    const state = parseJobState(request.payload)
    // The server stamps who sends: nobody ends another's job.
    if (request.component !== state.component) throw new StanzaError('auth', 'forbidden')
    this.#listeners.get(state.job)?.(state)
  }
}

/** Answers a registration: a new id, or the one that the component has. @throws StanzaError */
export function registerComponent(
  request: TopicRequest,
  knownId?: string,
): { readonly register: Register; readonly id: string; readonly answer: Element } {
  const register = parseRegister(request.payload)
  const id = register.kind === 'again' ? register.id : (knownId ?? request.component ?? makeComponentId(register.type))
  return { register, id, answer: renderRegistered(id) }
}
