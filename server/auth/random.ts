/**
 * Random text for nonces, stream ids and resources: unpredictable, each bit told once. One call to the generator makes
 * that of many; for each by itself they took a fiftieth of a login.
 */

import { randomFillSync } from 'node:crypto'

const POOL_BYTES = 4_096

const pool = Buffer.alloc(POOL_BYTES)
/** How much of it has been told. */
let used = POOL_BYTES

/** @param bytes  of randomness, at most the pool's size */
export function randomText(bytes: number, encoding: 'base64' | 'base64url'): string {
  if (used + bytes > POOL_BYTES) {
    randomFillSync(pool)
    used = 0
  }
  const text = pool.toString(encoding, used, used + bytes)
  // What was told is not kept: it stays with whom it was told to.
  pool.fill(0, used, used + bytes)
  used += bytes
  return text
}
