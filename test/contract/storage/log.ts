/** A logger that keeps its lines. */

import type { LogFields, Logger } from '../../../server/log.ts'

export function recordingLog(): { readonly log: Logger; readonly lines: readonly LogFields[] } {
  const lines: LogFields[] = []
  const keep = (fields: LogFields) => void lines.push(fields)
  const log: Logger = {
    error: keep,
    warn: keep,
    info: keep,
    debug: keep,
    trace: keep,
    child: () => log,
    level: 'trace',
  }
  return { log, lines }
}
