/** An error in the words of a job state or a line of output: condition, SACM's own condition, text. */

import { SaslError, StanzaError, StreamError } from '../../server/stanza/errors.ts'
import { sacmCondition } from './topics.ts'

export function describeError(error: unknown): string {
  if (error instanceof StanzaError) {
    const conditions = [error.condition, sacmCondition(error)].filter((condition) => condition !== undefined).join(', ')
    return error.message ? `${error.message} (${conditions})` : conditions
  }
  if (error instanceof StreamError || error instanceof SaslError) {
    return error.message ? `${error.message} (${error.condition})` : error.condition
  }
  return error instanceof Error ? error.message || error.name : String(error)
}
