/** What a handler threw, as the one error that its sender is told. */

import type { Logger } from '../log.ts'
import { StanzaError } from '../stanza/errors.ts'
import { Refusal, StorageUnavailable } from '../storage/storage.ts'
import { describeError } from './hooks.ts'

/** Whatever is no error of the protocol is logged here, and its sender is told only where. */
export function asStanzaError(error: unknown, log: Logger): StanzaError {
  if (error instanceof StanzaError) return error
  if (error instanceof StorageUnavailable) {
    // Storage tells a person, once; here is each stanza that it meets.
    log.debug({ what: 'storage_unavailable', reason: error.reason, error: error.message })
    return error.reason === 'queue-full' || error.reason === 'disk-full'
      ? new StanzaError('wait', 'resource-constraint', 'the server cannot store more at the moment; try again later')
      : new StanzaError('wait', 'internal-server-error', 'the server cannot store anything at the moment')
  }
  // It asked for more than a scan may look at: narrower, it may be asked again.
  if (error instanceof Refusal && error.key === 'scanTooLarge')
    return new StanzaError('modify', 'policy-violation', error.message)
  const logId = Math.random().toString(36).slice(2, 10)
  const refused = error instanceof Refusal ? { refusal: error.key } : {}
  log.error({ what: 'handler_failed', logId, ...refused, error: describeError(error) })
  return new StanzaError('cancel', 'internal-server-error', `the server's log has it under ${logId}`)
}
