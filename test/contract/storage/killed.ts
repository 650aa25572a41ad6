/** A process that writes without end and prints each acknowledged text, until it is killed. */

import { call } from '../../../server/storage/storage.ts'
import { open } from './open.ts'
import { write } from './operations.ts'

const [folder = ''] = process.argv.slice(2)
const storage = await open({ folder })
let next = 0
const keepWriting = async () => {
  // Far more than a run lasts; the parent kills this process.
  while (next < 1_000_000) {
    const text = `${next++}`
    await storage.submit([call(write, `${text}a`), call(write, `${text}b`)])
    process.stdout.write(`${text}\n`)
  }
}
await Promise.all(Array.from({ length: 20 }, keepWriting))
