/** Passes bytes between two connections: at a bounded rate, for as long as something moves, up to a size. XEP-0065 §6. */

import type { Socket } from 'node:net'

export interface RelayLimits {
  /** Both ways together. */
  readonly maxBytes: number
  /** Each way, on average. */
  readonly bytesPerSecond: number
  /** Time in which nothing moves either way that ends the stream. */
  readonly idleMs: number
}

export type RelayEnd = 'closed' | 'idle' | 'too-large'

/**
 * Joins two paused connections. Each side's end is passed on; what breaks, or goes beyond a limit, ends both.
 * @param onEnd  called once, when neither is open any more
 * @returns what ends both at once
 */
export function relay(
  a: Socket,
  b: Socket,
  limits: RelayLimits,
  onEnd: (why: RelayEnd, bytes: number) => void,
): () => void {
  let bytes = 0
  let open = 2
  let why: RelayEnd = 'closed'
  const cut = (reason: RelayEnd): void => {
    if (why === 'closed') why = reason
    a.destroy()
    b.destroy()
  }
  const idle = setTimeout(() => cut('idle'), limits.idleMs)
  const count = (size: number): void => {
    bytes += size
    idle.refresh()
    if (bytes > limits.maxBytes) cut('too-large')
  }
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    pass(from, to, limits.bytesPerSecond, count)
    from.on('end', () => to.end())
    from.on('close', () => {
      // Nothing more can come for a side whose other is gone; what was written to it is still sent.
      to.destroySoon()
      if (--open > 0) return
      clearTimeout(idle)
      onEnd(why, bytes)
    })
  }
  return () => cut('closed')
}

/** One way: the source is read no faster than the sink takes it and the rate allows. */
function pass(from: Socket, to: Socket, bytesPerSecond: number, count: (size: number) => void): void {
  let isFull = false
  let timer: NodeJS.Timeout | undefined
  let allowance = bytesPerSecond
  let since = performance.now()
  const goOn = (): void => {
    if (!isFull && timer === undefined) from.resume()
  }
  from.on('data', (chunk: Buffer) => {
    count(chunk.length)
    if (to.destroyed) return
    isFull = !to.write(chunk)
    const now = performance.now()
    allowance = Math.min(bytesPerSecond, allowance + ((now - since) / 1000) * bytesPerSecond) - chunk.length
    since = now
    if (allowance < 0) {
      timer = setTimeout(
        () => {
          timer = undefined
          goOn()
        },
        (-allowance / bytesPerSecond) * 1000,
      )
    }
    if (isFull || timer !== undefined) from.pause()
  })
  to.on('drain', () => {
    isFull = false
    goOn()
  })
  from.on('close', () => clearTimeout(timer))
  from.resume()
}
