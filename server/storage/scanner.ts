/** The thread's side of scans: reads that may look at many rows, each in a snapshot and within limits. DESIGN decision 11. */

import type { MessagePort } from 'node:worker_threads'
import { failure, indexByName, operationNamed } from './outcome.ts'
import type { FromScanner, Outcome, ToScanner, Work, WorkerStart } from './protocol.ts'
import { openReader } from './sqlite.ts'
import { type Operation, Refusal } from './storage.ts'

/** Rows between two looks at the clock. */
const CLOCK_ROWS = 256

export function serveScans(
  { file, nativeBinding }: WorkerStart,
  { maxRows, maxMs }: Extract<Work, { kind: 'scan' }>,
  operations: readonly Operation<never>[],
  port: MessagePort,
): void {
  const byName = indexByName(operations)
  let rows = 0
  let deadline = 0
  const step = () => {
    rows += 1
    if (rows > maxRows) throw tooLarge(`it looks at more than ${maxRows} rows`)
    if (rows % CLOCK_ROWS === 0 && Date.now() > deadline) throw tooLarge(`it takes longer than ${maxMs / 1000} s`)
  }
  const connection = openReader(file, nativeBinding, step)
  const run = ({ operation, args }: ToScanner & { kind: 'scan' }): Outcome => {
    rows = 0
    deadline = Date.now() + maxMs
    try {
      return [connection.snapshot((tx) => operationNamed(byName, operation).run(tx, args))]
    } catch (error) {
      return failure(error, operation)
    }
  }
  const post = (message: FromScanner) => port.postMessage(message)
  port.on('message', (message: ToScanner) => {
    if (message.kind === 'close') {
      connection.close()
      port.close()
      return
    }
    const outcome = run(message)
    try {
      post({ kind: 'outcome', outcome })
    } catch (error) {
      post({ kind: 'outcome', outcome: failure(error, message.operation) })
    }
  })
}

function tooLarge(why: string): Refusal {
  return new Refusal('scanTooLarge', `the query asks for too much: ${why}; narrow it`)
}
