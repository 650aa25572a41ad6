/** Other people's programs that tests need: found, or named with the way to get them; missing ones fail under CI. */

import { execFileSync } from 'node:child_process'
import type { TestContext } from 'vitest'

/**
 * Ends the test as skipped when `probe` does not run, saying what is missing and how to get it.
 * With CI set, the absence is a failure.
 */
export function needTool(
  context: TestContext,
  probe: readonly [command: string, ...args: string[]],
  howToGet: string,
): void {
  try {
    execFileSync(probe[0], probe.slice(1), { stdio: 'ignore', timeout: 30_000 })
  } catch (error) {
    const text = `needs ${probe.join(' ')}: ${howToGet}`
    if (process.env['CI']) throw new Error(text, { cause: error })
    context.skip(text)
  }
}
