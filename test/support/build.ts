/** Builds the bundle once before all tests: their many processes start several times faster than from source. */

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Below node_modules: the bundle's own look-ups must not depend on a checkout around it, and git must not see it. */
const CACHE = join(import.meta.dirname, '../../node_modules/.cache')

export function setup(): () => void {
  mkdirSync(CACHE, { recursive: true })
  const folder = mkdtempSync(join(CACHE, 'sacm-test-'))
  execFileSync(process.execPath, ['esbuild.config.ts', '--out', folder], {
    cwd: join(import.meta.dirname, '../..'),
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  // Workers are started after this and inherit it; see server.ts beside.
  process.env['SACM_TEST_PROGRAM'] = join(folder, 'sacm.js')
  return () => rmSync(folder, { recursive: true, force: true })
}
