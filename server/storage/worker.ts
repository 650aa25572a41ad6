/** The threads of storage; the writer drains its port and commits what it found in one transaction. DESIGN decision 10. */

import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { type Commit, groupCommit } from './batch.ts'
import { runJob } from './jobs.ts'
import type { Failed, FromWriter, Group, Outcome, ToWriter, WorkerStart } from './protocol.ts'
import { serveScans } from './scanner.ts'
import { type Connection, openingError, openWriter } from './sqlite.ts'
import { type Operation, StorageRefused } from './storage.ts'

/** Groups in one transaction at most; more wait in the port for the next one. */
const MAX_BATCH = 10_000

/** Runs one of storage's threads, with these operations where it runs any. Called by the worker's entry. */
export function runStorageWorker(operations: readonly Operation<never>[]): void {
  if (!parentPort) throw new Error('the storage worker runs in a worker thread')
  const port = parentPort
  // Whoever starts this worker gives it a WorkerStart; see threads.ts.
  const start = workerData as WorkerStart
  const { work } = start
  const fail = (error: unknown): void => {
    port.postMessage(failed(error, start.file))
    port.close()
  }
  try {
    switch (work.kind) {
      case 'write':
        serveWrites(start, operations, port)
        break
      case 'scan':
        serveScans(start, work, operations, port)
        break
      case 'check':
      case 'backup':
        runJob(start, work, port).catch(fail)
    }
  } catch (error) {
    fail(error)
  }
}

function failed(error: unknown, file: string): Failed {
  const told = openingError(file, error)
  const text = told instanceof Error ? told.message : String(told)
  const stack = (error instanceof Error && error.stack) || text
  return { kind: 'failed', text, isTold: told instanceof StorageRefused, stack }
}

function serveWrites(
  { file, nativeBinding }: WorkerStart,
  operations: readonly Operation<never>[],
  port: MessagePort,
): void {
  const connection = openWriter(file, nativeBinding)
  try {
    serve(port, connection, groupCommit(connection, operations))
  } catch (error) {
    connection.close()
    throw error
  }
}

function serve(port: MessagePort, connection: Connection, commit: Commit): void {
  port.on('message', (first: ToWriter) => {
    const { groups, closing } = drain(port, first)
    if (groups.length > 0) answer(port, commit(groups))
    if (closing) {
      connection.close()
      port.close()
    }
  })
}

/** Everything that waits in the port by now: the longer a commit takes, the more the next one serves. */
function drain(port: MessagePort, first: ToWriter): { groups: readonly Group[]; closing: boolean } {
  if (first.kind === 'close') return { groups: [], closing: true }
  const groups = [...first.groups]
  while (groups.length < MAX_BATCH) {
    const waiting = receiveMessageOnPort(port)
    if (!waiting) break
    // Only client.ts posts here.
    const message = waiting.message as ToWriter
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

function post(port: MessagePort, message: FromWriter): void {
  port.postMessage(message)
}
