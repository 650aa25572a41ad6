/** One named logger per subsystem, JSON lines on stderr, secrets redacted by name. */

import { writeSync } from 'node:fs'
import pino from 'pino'

export interface Logger {
  error(fields: LogFields): void
  warn(fields: LogFields): void
  info(fields: LogFields): void
  debug(fields: LogFields): void
  trace(fields: LogFields): void
  child(subsystem: string): Logger
  readonly level: string
}

/** One flat object; `what` names the event. */
export interface LogFields {
  readonly what: string
  readonly [field: string]: unknown
}

export type LogLevel = 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'

/** Never payloads, passwords or tokens above trace: these names are censored wherever they appear. */
const REDACTED = ['password', 'secret', 'token', 'authzid', 'response', 'payload']

/** Makes the root logger; it writes to stderr, since stdout belongs to the ready line. */
export function createLogger(level: LogLevel): Logger {
  const root = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, redact: { paths: REDACTED, censor: '[redacted]' } },
    { write: lineSink(2) },
  )
  return wrap(root)
}

/** Characters of lines at which the end of the loop turn is not waited for. */
const MAX_WAITING = 8_192
/** Characters kept while the descriptor takes nothing. */
const MAX_KEPT = 262_144
const RETRY_MS = 250

type Write = (fd: number, data: Buffer) => number

/**
 * Writes lines to a file descriptor, those of one loop turn with one system call: one for each line took an eighth of
 * the time of a login. It neither blocks nor throws when the descriptor takes nothing (a full disk under the log, a
 * reader that sleeps): the log must not take the server with it. What cannot be written is kept up to a bound, then
 * counted as lost.
 * @param write  `fs.writeSync`, or what a test puts in its place
 */
export function lineSink(fd: number, write: Write = writeSync): (line: string) => void {
  let waiting = ''
  /** What is left of a write that was not taken whole. */
  let rest: Buffer = Buffer.alloc(0)
  let lost = 0
  let isDue = false
  let retry: NodeJS.Timeout | undefined
  let isFirst = true

  const flush = (): void => {
    isDue = false
    try {
      while (rest.length > 0 || waiting !== '') {
        if (rest.length === 0) {
          rest = Buffer.from(waiting)
          waiting = ''
        }
        rest = rest.subarray(write(fd, rest))
      }
    } catch {
      retry ??= setTimeout(again, RETRY_MS).unref()
    }
    if (lost === 0 || rest.length > 0 || waiting !== '') return
    waiting = `${JSON.stringify({ level: 40, time: new Date().toISOString(), what: 'log_lines_lost', lines: lost })}\n`
    lost = 0
    flush()
  }
  const again = (): void => {
    retry = undefined
    flush()
  }
  return (line) => {
    if (waiting.length + rest.length + line.length > MAX_KEPT) {
      lost += 1
      return
    }
    waiting += line
    // However the process ends by itself, what was said last is written; only a signal that cannot be caught loses a turn.
    if (isFirst) process.once('exit', flush)
    isFirst = false
    if (isDue) {
      if (waiting.length >= MAX_WAITING && !retry) flush()
      return
    }
    isDue = true
    if (!retry) setImmediate(flush)
  }
}

function wrap(logger: pino.Logger): Logger {
  return {
    error: (fields) => logger.error(fields),
    warn: (fields) => logger.warn(fields),
    info: (fields) => logger.info(fields),
    debug: (fields) => logger.debug(fields),
    trace: (fields) => logger.trace(fields),
    child: (subsystem) => wrap(logger.child({ subsystem })),
    get level() {
      return logger.level
    },
  }
}
