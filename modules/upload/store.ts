/** What file upload asks of storage: arguments and results of its operations, plain data. */

/** Refusals: `accountFull` and `totalFull`, with `retryAt` in UTC milliseconds where something will expire. */
export interface ReserveSlot {
  readonly id: string
  readonly bareJid: string
  readonly name: string
  readonly size: number
  readonly contentType: string | undefined
  /** UTC milliseconds. */
  readonly slotUntil: number
  readonly keptUntil: number
  readonly limits: {
    readonly accountMaxBytes: number
    readonly accountMaxFiles: number
    readonly totalMaxBytes: number
  }
}

/** A slot, or a file when it has a hash. */
export interface Upload {
  readonly id: string
  readonly name: string
  readonly size: number
  readonly contentType: string | undefined
  /** Base64; undefined until the file is there. */
  readonly sha256: string | undefined
  /** UTC milliseconds. */
  readonly expiresAt: number
}

export interface KeepFile {
  readonly id: string
  readonly contentType: string | undefined
  readonly sha256: string
}

export interface Sweep {
  /** Files that ended before; UTC milliseconds. */
  readonly before: number
  /** Slots that ended before and were not used. */
  readonly slotsBefore: number
  readonly max: number
}
