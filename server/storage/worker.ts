/** The storage worker: drains its port and commits what it found in one transaction. DESIGN decision 10. */

import { statSync } from 'node:fs'
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { type Commit, groupCommit } from './batch.ts'
import { REMEDIES } from './faults.ts'
import { migrate } from './migrate.ts'
import type { FromWorker, Group, Outcome, ToWorker, WorkerStart } from './protocol.ts'
import { type Connection, endedUncleanly, findDamage, openWriter, unavailableReason } from './sqlite.ts'
import { type Operation, StorageRefused } from './storage.ts'

/** Groups in one transaction at most; more wait in the port for the next one. */
const MAX_BATCH = 10_000

/** Runs the worker's side of storage in this thread with these operations. Called by the worker's entry. */
export function runStorageWorker(operations: readonly Operation<never>[]): void {
  if (!parentPort) throw new Error('the storage worker runs in a worker thread')
  // Whoever starts this worker gives it a WorkerStart; see client.ts.
  const start = workerData as WorkerStart
  try {
    const { connection, migrated, checked } = openDatabase(start, parentPort)
    const commit = groupCommit(connection, operations)
    serve(parentPort, connection, commit)
    post(parentPort, { kind: 'ready', migrated, checked })
  } catch (error) {
    post(parentPort, startFailure(error, start.file))
    parentPort.close()
  }
}

function startFailure(error: unknown, file: string): FromWorker {
  const text = error instanceof Error ? error.message : String(error)
  const stack = (error instanceof Error && error.stack) || text
  const reason = unavailableReason(error)
  if (reason === undefined) return { kind: 'failed', text, isTold: error instanceof StorageRefused, stack }
  return {
    kind: 'failed',
    text: `the database ${file} cannot be opened: ${text}. ${REMEDIES[reason]}`,
    isTold: true,
    stack,
  }
}

function openDatabase(
  start: WorkerStart,
  port: MessagePort,
): { connection: Connection; migrated: string[]; checked: boolean } {
  const unclean = endedUncleanly(start.file)
  if (unclean) post(port, { kind: 'checking', bytes: statSync(start.file).size })
  const connection = openWriter(start.file, start.nativeBinding)
  try {
    const damage = unclean ? findDamage(connection.sqlite) : undefined
    if (damage) throw new StorageRefused(`the database ${start.file} is damaged: ${damage}. ${REMEDIES.damaged}`)
    return { connection, migrated: migrate(connection.sqlite, start.migrations), checked: unclean }
  } catch (error) {
    connection.close()
    throw error
  }
}

function serve(port: MessagePort, connection: Connection, commit: Commit): void {
  port.on('message', (first: ToWorker) => {
    const { groups, closing } = drain(port, first)
    if (groups.length > 0) answer(port, commit(groups))
    if (closing) {
      connection.close()
      port.close()
    }
  })
}

/** Everything that waits in the port by now: the longer a commit takes, the more the next one serves. */
function drain(port: MessagePort, first: ToWorker): { groups: readonly Group[]; closing: boolean } {
  if (first.kind === 'close') return { groups: [], closing: true }
  const groups = [...first.groups]
  while (groups.length < MAX_BATCH) {
    const waiting = receiveMessageOnPort(port)
    if (!waiting) break
    // Only client.ts posts here.
    const message = waiting.message as ToWorker
    if (message.kind === 'close') return { groups, closing: true }
    for (const group of message.groups) groups.push(group)
  }
  return { groups, closing: false }
}

function answer(port: MessagePort, outcomes: readonly Outcome[]): void {
  try {
    post(port, { kind: 'outcomes', outcomes })
  } catch {
    // One result cannot be cloned: a defect of its operation, found and reported below; the others must be told.
    post(port, { kind: 'outcomes', outcomes: outcomes.map(cloneable) })
  }
}

function cloneable(outcome: Outcome): Outcome {
  try {
    return structuredClone(outcome)
  } catch (error) {
    const text = `the write is stored, but its result is not plain data: ${String(error)}`
    return { kind: 'defect', operation: 'result', text, stack: text }
  }
}

function post(port: MessagePort, message: FromWorker): void {
  port.postMessage(message)
}
