/** One named logger per subsystem, JSON lines on stderr, secrets redacted by name. */

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
    { write: perTurn() },
  )
  return wrap(root)
}

/** Bytes of lines at which the end of the loop turn is not waited for. */
const MAX_WAITING = 8_192

/**
 * Writes the lines of one loop turn with one system call: one for each line took an eighth of the time of a login.
 * However the process ends by itself, what was said last is written; only a signal that cannot be caught loses a turn.
 */
function perTurn(): (line: string) => void {
  const stderr = pino.destination({ dest: 2, sync: true, minLength: MAX_WAITING })
  let isWaiting = false
  let isFirst = true
  const flush = (): void => {
    isWaiting = false
    stderr.flushSync()
  }
  return (line) => {
    stderr.write(line)
    if (isWaiting) return
    isWaiting = true
    setImmediate(flush)
    if (isFirst) process.once('exit', flush)
    isFirst = false
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
