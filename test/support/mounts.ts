/** File systems of a test's own, for faults that permissions cannot make: root may write everywhere but there. */

import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import type { TestContext } from 'vitest'
import { needTool } from './tools.ts'

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

/** Being root is not enough: a container may forbid it. That is no missing tool, so it is no failure under CI. */
function mount(context: TestContext, folder: string, args: readonly string[]): void {
  mkdirSync(folder, { recursive: true })
  needTool(context, ['mount', '--version'], 'apt-get install mount')
  try {
    execFileSync('mount', args, { stdio: 'pipe' })
  } catch {
    context.skip('needs root, and the right to mount (CAP_SYS_ADMIN in a container)')
  }
  mounted.push(folder)
}
