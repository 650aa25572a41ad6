/** What became of a call, on both sides of a thread: an error made plain data there, and an error again here. */

import type { Logger } from '../log.ts'
import type { Fault } from './protocol.ts'
import { unavailableReason } from './sqlite.ts'
import { type Operation, Refusal, StorageUnavailable } from './storage.ts'

export function indexByName(operations: readonly Operation<never>[]): ReadonlyMap<string, Operation> {
  const byName = new Map<string, Operation>()
  for (const operation of operations) {
    if (byName.has(operation.name)) throw new Error(`two storage operations are named ${operation.name}`)
    // The caller paired these arguments with this operation through `call`, whose types agree.
    byName.set(operation.name, operation as Operation)
  }
  return byName
}

/** @throws Error that says where it should be listed */
export function operationNamed(byName: ReadonlyMap<string, Operation>, name: string): Operation {
  const operation = byName.get(name)
  if (!operation) throw new Error('the storage worker does not know this operation: is it in modules/worker.ts?')
  return operation
}

/** What an operation threw, as it crosses the thread. */
export function failure(error: unknown, operation: string): Fault {
  if (error instanceof Refusal)
    return { kind: 'refused', key: error.key, text: error.message, detail: { ...error.detail } }
  const text = error instanceof Error ? error.message : String(error)
  const reason = unavailableReason(error)
  if (reason) return { kind: 'unavailable', reason, text }
  return { kind: 'defect', operation, text, stack: (error instanceof Error && error.stack) || text }
}

/** What the caller is told. */
export function errorOf(outcome: Fault, log: Logger): Error {
  switch (outcome.kind) {
    case 'refused':
      return new Refusal(outcome.key, outcome.text, outcome.detail)
    case 'unavailable':
      return new StorageUnavailable(outcome.reason, outcome.text)
    case 'defect': {
      const cause = new Error(outcome.text)
      cause.stack = outcome.stack
      return defect(outcome.operation, cause, log)
    }
  }
}

/** What a caller hears of a fault that is ours: no detail but the operation's name; the rest is in the log. */
export function defect(operation: string, cause: unknown, log: Logger): Error {
  log.error({ what: 'storage_defect', operation, error: cause instanceof Error ? cause.stack : String(cause) })
  return new Error(`storage operation ${operation} failed`, { cause })
}
