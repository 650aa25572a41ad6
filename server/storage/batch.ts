/** Group commit: runs what is waiting in one transaction, each group in its own savepoint. */

import type { Group, Outcome } from './protocol.ts'
import { type Connection, unavailableReason } from './sqlite.ts'
import { type Operation, Refusal } from './storage.ts'

/** Runs groups in order in one transaction; the outcomes are true once it returns. */
export type Commit = (groups: readonly Group[]) => readonly Outcome[]

/**
 * Makes the commit function of the writer's connection.
 *
 * One fsync serves the whole batch. A group that is refused, or that fails, rolls back alone and the others stand;
 * when the transaction itself is lost (disk full, I/O error) nothing of the batch stands and every group hears so.
 */
export function groupCommit(connection: Connection, operations: readonly Operation<never>[]): Commit {
  const { sqlite } = connection
  const byName = indexByName(operations)
  const begin = sqlite.prepare('BEGIN IMMEDIATE')
  const commit = sqlite.prepare('COMMIT')
  const rollback = sqlite.prepare('ROLLBACK')
  const savepoint = sqlite.prepare('SAVEPOINT step')
  const release = sqlite.prepare('RELEASE step')
  const undo = sqlite.prepare('ROLLBACK TO step')

  const runGroup = (group: Group): Outcome => {
    let current = ''
    savepoint.run()
    try {
      const tx = connection.tx()
      const results = group.map(([name, args]) => {
        current = name
        const operation = byName.get(name)
        if (!operation) throw new Error(`the storage worker does not know this operation: is it in modules/worker.ts?`)
        return operation.run(tx, args)
      })
      release.run()
      return { kind: 'done', results }
    } catch (error) {
      // After some faults SQLite has rolled the whole transaction back by itself; the caller sees that.
      if (sqlite.inTransaction) {
        undo.run()
        release.run()
      }
      return failure(error, current)
    }
  }

  return (groups) => {
    try {
      begin.run()
      const outcomes: Outcome[] = []
      for (const group of groups) {
        const outcome = runGroup(group)
        if (!sqlite.inTransaction) return groups.map(() => lost(outcome))
        outcomes.push(outcome)
      }
      commit.run()
      return outcomes
    } catch (error) {
      if (sqlite.inTransaction) rollback.run()
      const outcome = lost(failure(error, 'COMMIT'))
      return groups.map(() => outcome)
    }
  }
}

function indexByName(operations: readonly Operation<never>[]): ReadonlyMap<string, Operation> {
  const byName = new Map<string, Operation>()
  for (const operation of operations) {
    if (byName.has(operation.name)) throw new Error(`two storage operations are named ${operation.name}`)
    // The caller paired these arguments with this operation through `call`, whose types agree.
    byName.set(operation.name, operation as Operation)
  }
  return byName
}

function failure(error: unknown, operation: string): Outcome {
  if (error instanceof Refusal)
    return { kind: 'refused', key: error.key, text: error.message, detail: { ...error.detail } }
  const text = error instanceof Error ? error.message : String(error)
  const reason = unavailableReason(error)
  if (reason) return { kind: 'unavailable', reason, text }
  return { kind: 'defect', operation, text, stack: (error instanceof Error && error.stack) || text }
}

/** What every group of a lost transaction hears. */
function lost(outcome: Outcome): Outcome {
  if (outcome.kind === 'unavailable') return outcome
  const text = outcome.kind === 'defect' ? outcome.text : 'the transaction was rolled back'
  return { kind: 'unavailable', reason: 'failed', text }
}
