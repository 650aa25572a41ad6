/** Group commit: runs what is waiting in one transaction, each group for itself. */

import { failure, indexByName, operationNamed } from './outcome.ts'
import { type Fault, type Group, isFault, isOneCall, type OneCall, type Outcome } from './protocol.ts'
import type { Connection, Effects } from './sqlite.ts'
import type { Operation, Tx } from './storage.ts'

/** Runs groups in order in one transaction; the outcomes are true once it returns. */
export type Commit = (groups: readonly Group[]) => readonly Outcome[]

/**
 * Batches that run in savepoints after one that needed them: where a group failed, others soon do. Few, as a batch that
 * was run in vain costs what savepoints cost five others.
 */
const CAREFUL_BATCHES = 8

/**
 * Makes the commit function of the writer's connection.
 *
 * One fsync serves the whole batch. A group that is refused, or that fails, rolls back alone and the others stand;
 * when the transaction itself is lost (disk full, I/O error) nothing of the batch stands and every group hears so.
 *
 * Since nearly no group fails, the batch first runs without savepoints: SQLite copies every page that changes within
 * one, which took a sixth of a publish. When a group fails, nothing of that run stands, in the tables or in what
 * operations keep beside them, and the batch runs again, each group in its own savepoint.
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

  const memory = new Memory()
  /** The operation that runs. */
  let current = ''
  /** Batches that still run in savepoints at once. */
  let careful = 0

  const runOne = (tx: Tx, [name, ...args]: OneCall): readonly unknown[] => {
    current = name
    const operation = operationNamed(byName, name)
    const { wire } = operation
    if (!wire) return [operation.run(tx, args[0])]
    return wire.result.pack(operation.run(tx, wire.args.unpack(args)))
  }

  const runGroup = (group: Group): readonly unknown[] => {
    const tx = connection.tx(memory)
    if (isOneCall(group)) return runOne(tx, group)
    return group.map(([name, args]) => {
      current = name
      return operationNamed(byName, name).run(tx, args)
    })
  }

  const runInSavepoint = (group: Group): Outcome => {
    const before = memory.changes
    savepoint.run()
    try {
      const results = runGroup(group)
      release.run()
      return results
    } catch (error) {
      // After some faults SQLite has rolled the whole transaction back by itself; the caller sees that.
      if (sqlite.inTransaction) {
        undo.run()
        release.run()
      }
      memory.rollBack(before)
      return failure(error, current)
    }
  }

  const rollBackAll = (): void => {
    if (sqlite.inTransaction) rollback.run()
    memory.rollBack(0)
  }

  const commitAll = (outcomes: readonly Outcome[]): readonly Outcome[] => {
    memory.flush(connection.tx(memory))
    commit.run()
    return outcomes
  }

  /** Undefined when a group failed: nothing of the batch stands then. */
  const runBare = (groups: readonly Group[]): readonly Outcome[] | undefined => {
    begin.run()
    const outcomes: Outcome[] = []
    try {
      for (const group of groups) outcomes.push(runGroup(group))
    } catch {
      rollBackAll() // the group fails again below, and is told why
      return undefined
    }
    return commitAll(outcomes)
  }

  const runCarefully = (groups: readonly Group[]): readonly Outcome[] => {
    begin.run()
    const outcomes: Outcome[] = []
    for (const group of groups) {
      const outcome = runInSavepoint(group)
      if (!sqlite.inTransaction) {
        memory.rollBack(0)
        return groups.map(() => lost(outcome))
      }
      outcomes.push(outcome)
    }
    return commitAll(outcomes)
  }

  const runAll = (groups: readonly Group[]): readonly Outcome[] => {
    const bare = careful > 0 ? undefined : runBare(groups)
    if (bare) return bare
    const outcomes = runCarefully(groups)
    careful = outcomes.some(isFault) ? CAREFUL_BATCHES : Math.max(0, careful - 1)
    return outcomes
  }

  return (groups) => {
    try {
      return runAll(groups)
    } catch (error) {
      rollBackAll()
      const outcome = lost(failure(error, 'COMMIT'))
      return groups.map(() => outcome)
    } finally {
      memory.forget()
    }
  }
}

/** What the operations of one transaction have said of their memory beside the tables. */
export class Memory implements Effects {
  readonly #undos: (() => void)[] = []
  readonly #flushes = new Set<(tx: Tx) => void>()

  /** How many changes can be undone by now. */
  get changes(): number {
    return this.#undos.length
  }

  readonly onRollback = (undo: () => void): void => {
    this.#undos.push(undo)
  }

  readonly beforeCommit = (flush: (tx: Tx) => void): void => {
    this.#flushes.add(flush)
  }

  /** Undoes, last first, until so many changes are left. */
  rollBack(left: number): void {
    while (this.#undos.length > left) this.#undos.pop()?.()
  }

  flush(tx: Tx): void {
    for (const flush of this.#flushes) flush(tx)
  }

  /** The transaction is over: nothing of it can be undone. */
  forget(): void {
    this.#undos.length = 0
    this.#flushes.clear()
  }
}

/** What every group of a lost transaction hears. */
function lost(outcome: Outcome): Fault {
  if (isFault(outcome) && outcome.kind === 'unavailable') return outcome
  const text = isFault(outcome) && outcome.kind === 'defect' ? outcome.text : 'the transaction was rolled back'
  return { kind: 'unavailable', reason: 'failed', text }
}
