/** File systems of a test's own, for faults that permissions cannot make: root may write everywhere but there. */

import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import type { TestContext } from 'vitest'

const mounted: string[] = []

/** An empty file system in memory of this size, mounted on a folder that is made. */
export function mountSmall(context: TestContext, folder: string, bytes: number): void {
  mount(context, folder, ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'tmpfs', folder])
}

/** The folder again at another place, where nobody can write. */
export function mountReadOnly(context: TestContext, folder: string, at: string): void {
  mount(context, at, ['--bind', folder, at])
  execFileSync('mount', ['-o', 'remount,bind,ro', at])
}

/** To be called after each test, before its folders are removed. */
export function unmountAll(): void {
  for (const folder of mounted.splice(0).reverse()) execFileSync('umount', ['--lazy', folder])
}

function mount(context: TestContext, folder: string, args: readonly string[]): void {
  mkdirSync(folder, { recursive: true })
  try {
    execFileSync('mount', args, { stdio: 'pipe' })
  } catch (error) {
    const text = 'needs root, and the right to mount (CAP_SYS_ADMIN in a container)'
    if (process.env['CI']) throw new Error(text, { cause: error })
    context.skip(text)
  }
  mounted.push(folder)
}
