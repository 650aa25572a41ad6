/** The orchestrator: as a service that runs, and as a command that asks one thing and goes. SACM-XMPP §2; ARCH §Orchestrator. */

import { randomBytes } from 'node:crypto'
import { parseJid, withResource } from '../../server/stanza/jid.ts'
import type { ClientOptions } from '../core/options.ts'
import type { InventoryEntry } from './inventory.ts'
import { OrchestratorService, type ServiceEvent } from './service.ts'
import { Session, type SessionEvent } from './session.ts'
import { Work } from './work.ts'

export type OrchestratorEvent = SessionEvent | ServiceEvent

export interface OrchestratorOptions extends ClientOptions {
  readonly name?: string | undefined
  /** Between two signs of life asked of each component; default a minute. */
  readonly heartbeatMs?: number | undefined
  readonly onEvent?: ((event: OrchestratorEvent) => void) | undefined
}

/** What both kinds can do. */
export interface OrchestratorCommand {
  readonly work: Work
  /** Our component id. */
  readonly component: string
  close(): Promise<void>
}

export interface Orchestrator extends OrchestratorCommand {
  /** Resolves when components can register. */
  readonly ready: Promise<void>
  /** Settles when it has ended: resolves after `close`, rejects when it gave up. */
  readonly closed: Promise<void>
  inventory(): readonly InventoryEntry[]
}

const DEFAULT_HEARTBEAT_MS = 60_000
/** A command does not wait long for a server that is not there. */
const COMMAND_ATTEMPTS = 3

/**
 * Starts the service; resolves when the login has succeeded, see `ready`.
 * @throws SaslError, a certificate or network error
 */
export async function startOrchestrator(options: OrchestratorOptions): Promise<Orchestrator> {
  const onEvent = options.onEvent ?? (() => undefined)
  const session: Session = new Session(
    { ...options, name: options.name ?? 'sacm orchestrator', isCommand: false },
    {
      onEvent,
      beforeRegistration: (_, signal) => service.begin(signal),
      afterRegistration: (_, signal) => service.watch(signal),
    },
  )
  const service = new OrchestratorService(session, {
    heartbeatMs: options.heartbeatMs ?? DEFAULT_HEARTBEAT_MS,
    onEvent,
    onFault: (error) => onEvent({ kind: 'fault', error }),
  })
  await session.start()
  return {
    work: new Work(session),
    ready: session.ready,
    closed: session.client.closed,
    get component() {
      return session.id
    },
    inventory: () => service.inventory.list(),
    close: () => session.close(),
  }
}

/**
 * Connects for one command, beside a service that may be running on the same account: under a resource of its own, and
 * without presence, so that it takes nothing that is meant for the service.
 * @throws SaslError, a certificate or network error, or the signal's reason
 */
export async function openOrchestrator(
  options: OrchestratorOptions,
  signal?: AbortSignal,
): Promise<OrchestratorCommand> {
  const jid = parseJid(options.jid)
  const session = new Session(
    {
      ...options,
      name: options.name ?? 'sacm orchestrator',
      isCommand: true,
      jid: jid.resource ? jid.full : withResource(jid, `command-${randomBytes(5).toString('hex')}`).full,
      limits: { reconnectAttempts: COMMAND_ATTEMPTS, ...options.limits },
    },
    { onEvent: options.onEvent ?? (() => undefined) },
  )
  const onAbort = () => void session.close()
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    signal?.throwIfAborted()
    await session.start()
    await session.ready
  } catch (error) {
    await session.close()
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
  return { work: new Work(session), component: session.id, close: () => session.close() }
}
