/** What a probe is: one kind of posture of this host, read without changing anything. */

import type { AttributeStatus, DataType, PostureAttribute } from '../../modules/repository/xml.ts'

export type { AttributeStatus, DataType, PostureAttribute }

export interface ProbeContext {
  /** UTC milliseconds at the start of the collection. */
  readonly now: number
  readonly signal: AbortSignal
  /** Root of the host's file system; `/` but for tests. */
  readonly root: string
}

export interface Probe {
  /** `packages`; also its file's name. */
  readonly name: string
  /** Name prefixes that it covers completely (`package.`): what it does not report there does not exist. */
  readonly covers: readonly string[]
  /** Reads all it can; what cannot be read is an attribute with status `error` or `not-collected` and a reason. */
  collect(context: ProbeContext): Promise<readonly PostureAttribute[]>
}
