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
    pino.destination({ dest: 2, sync: true }),
  )
  return wrap(root)
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
