/** A role as a process of its own: logs what happens, says when it is ready, ends on a signal or when it gave up. */

import { createLogger, type Logger } from '../../server/log.ts'
import type { ComponentEvent } from '../core/component.ts'
import type { ClientOptions } from '../core/options.ts'
import type { OrchestratorEvent } from '../orchestrator/index.ts'
import { asConnectionError } from './connection.ts'
import { EXIT } from './exit.ts'

/** What every role gives back when it has started. */
export interface StartedRole {
  /** Resolves when it is onboarded. */
  readonly ready: Promise<void>
  /** Settles when it has ended: resolves after `close`, rejects when it gave up. */
  readonly closed: Promise<void>
  /** The component id; known once it is ready. */
  id(): string | undefined
  close(): Promise<void>
}

/** @returns the exit code */
export async function runRole(
  role: string,
  options: ClientOptions,
  start: (onEvent: (event: ComponentEvent | OrchestratorEvent) => void, log: Logger) => Promise<StartedRole>,
): Promise<number> {
  const log = createLogger('info').child(role)
  let started: StartedRole
  try {
    started = await start((event) => logEvent(log, event), log)
  } catch (error) {
    throw asConnectionError(error, options)
  }
  const ended = Promise.withResolvers<void>()
  const onSignal = (): void => ended.resolve()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, onSignal)
  started.closed.then(ended.resolve, ended.reject)
  started.ready.then(
    () => process.stdout.write(`${JSON.stringify({ ready: true, role, component: started.id(), pid: process.pid })}\n`),
    () => undefined, // it ended before: `closed` says why
  )
  try {
    await ended.promise
    return EXIT.done
  } catch (error) {
    throw asConnectionError(error, options)
  } finally {
    await started.close()
  }
}

function logEvent(log: Logger, event: ComponentEvent | OrchestratorEvent): void {
  switch (event.kind) {
    case 'connected':
      log.info({ what: 'connected', jid: event.jid, protocol: event.protocol, mechanism: event.mechanism })
      return
    case 'disconnected':
      log.warn({ what: 'disconnected', error: event.error.message, retryMs: event.retryMs })
      return
    case 'fault':
      log.error({ what: 'fault', error: event.error.message })
      return
    case 'waiting':
      log.info({ what: 'waiting', step: event.step, error: event.error.message, retryMs: event.retryMs })
      return
    case 'registered':
      log.info({ what: 'registered', component: event.component })
      return
    case 'onboarded':
      log.info({ what: 'onboarded', component: event.component, topics: event.capabilities.map(({ topic }) => topic) })
      for (const { urn, status, messages } of event.capabilities) {
        if (status === 'failure') log.error({ what: 'capability_refused', urn, why: messages.join('; ') })
      }
      return
    case 'inventory': {
      const { component, state, type, isOnline } = event.after
      log.info({ what: 'inventory', component, type, state, isOnline })
      return
    }
    case 'registration':
      log.info({ what: 'registration', component: event.component, sender: event.sender })
      return
    case 'handshake':
      log.info({ what: 'handshake', component: event.component, accepted: event.accepted, refused: event.refused })
      return
    case 'job':
      log.info({ what: 'job', requester: event.requester, job: event.state.job, state: event.state.state })
  }
}
