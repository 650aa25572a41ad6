/** Writes files whole or not at all, also when the power fails in between or another process writes them too. */

import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'

/** Replaces a file with this text; its folder is made (mode 0700) when missing. */
export function replaceFile(file: string, text: string, mode: number): void {
  viaPartial(file, text, mode, (partial) => renameSync(partial, file))
}

/** Makes a file with this text; false when there is one already, which stays as it is. */
export function createFile(file: string, text: string, mode: number): boolean {
  return viaPartial(file, text, mode, (partial) => {
    try {
      // Unlike a rename, a link never takes the place of a file.
      linkSync(partial, file)
      return true
    } catch (error) {
      if (hasCode(error, 'EEXIST')) return false
      throw error
    }
  })
}

/** The file's text; undefined when there is no such file. */
export function readIfPresent(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Writes the text to disk under a name of its own, then lets `publish` give it the real one. */
function viaPartial<R>(file: string, text: string, mode: number, publish: (partial: string) => R): R {
  const folder = dirname(file)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const partial = `${file}.${randomBytes(6).toString('hex')}.partial`
  try {
    const fd = openSync(partial, 'wx', mode)
    try {
      writeFileSync(fd, text)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    const result = publish(partial)
    syncFolder(folder)
    return result
  } finally {
    rmSync(partial, { force: true })
  }
}

/** Makes the new name itself durable. */
function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
