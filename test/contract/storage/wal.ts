/** Counts transactions in an SQLite write-ahead log, from the file itself. https://sqlite.org/fileformat.html §4.1 */

import { readFileSync } from 'node:fs'

const HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24

/** Commits in the log: frames that carry the size of the database after the commit. */
export function countCommits(walFile: string): number {
  const wal = readFileSync(walFile)
  if (wal.length < HEADER_BYTES) return 0
  const pageBytes = wal.readUInt32BE(8)
  const salt = wal.subarray(16, 24)
  let commits = 0
  for (let at = HEADER_BYTES; at + FRAME_HEADER_BYTES + pageBytes <= wal.length; at += FRAME_HEADER_BYTES + pageBytes) {
    // Frames with another salt are left over from before the last checkpoint.
    if (!wal.subarray(at + 8, at + 16).equals(salt)) break
    if (wal.readUInt32BE(at + 4) !== 0) commits += 1
  }
  return commits
}
