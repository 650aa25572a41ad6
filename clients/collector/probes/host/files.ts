/** Reads the host's files under a root: bounded, never following a link out of the root, never waiting on a pipe. */

import { isUtf8 } from 'node:buffer'
import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
} from 'node:fs'
import { join } from 'node:path'

/** What came of reading something: the thing, or why not, with the system's code (`ENOENT`). */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: string; readonly reason: string }

const MAX_LINKS = 40
const CHUNK_BYTES = 65_536
const MAX_CONFIG_BYTES = 4 << 20

/**
 * Reads one file as text; bytes that are not UTF-8 come as `\xNN`.
 * Synchronous: all that is read here is local and small or made by the kernel, where a hop through the thread pool
 * costs ten times the reading. Probes that read thousands of files pause between them (`breathe`).
 */
export function readText(root: string, path: string, maxBytes: number = MAX_CONFIG_BYTES): Outcome<string> {
  const bytes = readBytes(root, path, maxBytes)
  return bytes.ok ? { ok: true, value: decode(bytes.value) } : bytes
}

export function readBytes(root: string, path: string, maxBytes: number = MAX_CONFIG_BYTES): Outcome<Buffer> {
  let fd: number | undefined
  try {
    // O_NONBLOCK: a named pipe put in a file's place must not hold the collector.
    fd = openSync(locate(root, path), constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
    if (!fstatSync(fd).isFile()) return { ok: false, code: 'EINVAL', reason: `${path}: not a regular file` }
    const chunks: Buffer[] = []
    let total = 0
    // The size that the kernel states for files in /proc and /sys is not their length: read to the end.
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
      const length = readSync(fd, chunk, 0, CHUNK_BYTES, null)
      if (length === 0) break
      total += length
      if (total > maxBytes) return { ok: false, code: 'EFBIG', reason: `${path}: larger than ${maxBytes} bytes` }
      chunks.push(chunk.subarray(0, length))
    }
    return { ok: true, value: chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, total) }
  } catch (error) {
    return failure(path, error)
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** Names in a folder with their kinds, sorted by code unit. */
export function list(root: string, path: string): Outcome<readonly Dirent[]> {
  try {
    const entries = readdirSync(locate(root, path), { withFileTypes: true })
    return { ok: true, value: entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)) }
  } catch (error) {
    return failure(path, error)
  }
}

/** The thing itself: a link in the last place is not followed. */
export function lstatOf(root: string, path: string): Outcome<Stats> {
  try {
    return { ok: true, value: lstatSync(locate(root, path, false)) }
  } catch (error) {
    return failure(path, error)
  }
}

export function linkTarget(root: string, path: string): Outcome<string> {
  try {
    return { ok: true, value: decode(readlinkSync(locate(root, path, false), 'buffer')) }
  } catch (error) {
    return failure(path, error)
  }
}

/** Undefined when it cannot be told, as with a folder that may not be searched. */
export function isThere(root: string, path: string): boolean | undefined {
  const stat = lstatOf(root, path)
  if (stat.ok) return true
  return stat.code === 'ENOENT' || stat.code === 'ENOTDIR' ? false : undefined
}

/** Lets timers and sockets of the collector run in a long synchronous walk. @throws the signal's reason once aborted */
export async function breathe(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
  signal.throwIfAborted()
}

/** UTF-8 as it is; in anything else the bytes that do not belong are written `\xNN`, never replaced by a guess. */
export function decode(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8')
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at)
    text += length === 0 ? `\\x${bytes.toString('hex', at, at + 1)}` : bytes.toString('utf8', at, at + length)
    at += length || 1
  }
  return text
}

function sequenceLength(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0
  return length > 0 && isUtf8(bytes.subarray(at, at + length)) && at + length <= bytes.length ? length : 0
}

/**
 * Where `path` is under `root`. Under another root than `/` links are resolved here, as chroot would: an absolute
 * target starts again at the root and `..` stops at it.
 * @throws the system's error for a folder that may not be read, ELOOP for a circle
 */
export function locate(root: string, path: string, follow = true): string {
  if (root === '/') return path
  const todo = path.split('/').reverse()
  let done: string[] = []
  for (let links = 0; todo.length > 0; ) {
    const part = todo.pop()
    if (part === undefined || part === '' || part === '.') continue
    if (part === '..') {
      done.pop()
      continue
    }
    const here = join(root, ...done, part)
    if ((follow || todo.length > 0) && lstatSync(here, { throwIfNoEntry: false })?.isSymbolicLink()) {
      links += 1
      if (links > MAX_LINKS) throw Object.assign(new Error('too many links'), { code: 'ELOOP' })
      const target = readlinkSync(here)
      if (target.startsWith('/')) done = []
      todo.push(...target.split('/').reverse())
    } else {
      done.push(part)
    }
  }
  return join(root, ...done)
}

const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ENOENT: 'no such file or directory',
  ENOTDIR: 'not a directory',
  EISDIR: 'is a directory',
  ELOOP: 'too many symbolic links',
  EIO: 'input/output error',
  EINVAL: 'invalid argument',
}

function failure(path: string, error: unknown): { ok: false; code: string; reason: string } {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'EUNKNOWN'
  const words = WORDS[code] ?? (error instanceof Error ? error.message : String(error))
  return { ok: false, code, reason: `${path}: ${words} (${code})` }
}
