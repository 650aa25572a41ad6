/** Uploaded files on disk: received into a part, made durable, then named, so that a file is whole or not there. */

import { createHash } from 'node:crypto'
import { createReadStream, mkdirSync, type ReadStream, readdirSync, rmSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'

const PART = '.part'

export class FileStore {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Makes the folder, and removes what is no kept file: parts, and files that a crash left without their row. */
  open(kept: readonly string[]): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    const known = new Set(kept)
    for (const name of readdirSync(this.#folder)) if (!known.has(name)) rmSync(join(this.#folder, name))
  }

  /**
   * Receives a file, and names it when it has the size that was announced.
   * @returns its SHA-256 in base64; undefined when it has another size, and nothing is kept
   * @throws Error of the disk or of the body, and nothing is kept
   */
  async receive(id: string, body: Readable, size: number): Promise<string | undefined> {
    const part = join(this.#folder, `${id}${PART}`)
    const hash = createHash('sha256')
    let bytes = 0
    try {
      const file = await open(part, 'wx', 0o600)
      try {
        // What fails here may still be answered: the body is its owner's to end.
        for await (const chunk of body.iterator({ destroyOnReturn: false })) {
          // A body is bytes: no encoding was set on it.
          const data = chunk as Buffer
          bytes += data.length
          if (bytes > size) break
          hash.update(data)
          await file.writeFile(data)
        }
        await file.sync()
      } finally {
        await file.close()
      }
      if (bytes === size) {
        await rename(part, join(this.#folder, id))
        await this.#syncFolder()
        return hash.digest('base64')
      }
      await rm(part)
      return undefined
    } catch (error) {
      await rm(part, { force: true })
      throw error
    }
  }

  /** @throws Error ENOENT when it has gone */
  async read(id: string): Promise<ReadStream> {
    const stream = createReadStream(join(this.#folder, id))
    await new Promise<void>((resolve, reject) => {
      stream.once('open', () => resolve())
      stream.once('error', reject)
    })
    return stream
  }

  async remove(ids: readonly string[]): Promise<void> {
    for (const id of ids) await rm(join(this.#folder, id), { force: true })
  }

  /** The new name is on disk too. */
  async #syncFolder(): Promise<void> {
    const folder = await open(this.#folder)
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  }
}
