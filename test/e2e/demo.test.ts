/** The demo as a user runs it: from the source tree, from the bundle, and from the single binary without Node around. */

import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allProbes } from '../../clients/collector/probes/all.ts'
import { SACM, SACM_SOURCE } from '../support/server.ts'

const ROOT = join(import.meta.dirname, '../..')
const TELL_COMPILED = join(ROOT, 'test/support/tell-compiled.cjs')
const TIMEOUT_MS = 180_000
const run = promisify(execFile)
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sacm-demo-test-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

interface Summary {
  readonly endpoint: string
  readonly attributes: number
  readonly probes: Readonly<Record<string, number>>
  readonly policy: string
  readonly rules: number
  readonly verdicts: Readonly<Record<string, number>>
  readonly afterRestart: { readonly attributes: number; readonly results: number }
  readonly seconds: number
}

function expectSummary(stdout: string): void {
  // The fields are what the command's documentation promises; each is checked below.
  const summary = JSON.parse(stdout) as Summary
  const sum = (counts: Readonly<Record<string, number>>) =>
    Object.values(counts).reduce((total, count) => total + count, 0)
  expect(summary.endpoint).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]*$/)
  expect(summary.policy).toBe('linux-baseline')
  expect(summary.rules).toBeGreaterThanOrEqual(30)
  expect(sum(summary.verdicts)).toBe(summary.rules)
  expect(Object.keys(summary.probes)).toEqual(allProbes.map((probe) => probe.name).sort())
  expect(sum(summary.probes)).toBe(summary.attributes)
  for (const probe of ['os', 'kernel', 'packages', 'users', 'groups', 'sysctl', 'mounts', 'files', 'machine']) {
    expect(summary.probes[probe], probe).toBeGreaterThan(0)
  }
  expect(summary.afterRestart).toEqual({ attributes: summary.attributes, results: summary.rules })
  expect(summary.seconds).toBeGreaterThan(0)
}

describe('sacm demo', () => {
  test('collects, evaluates, restarts and finds everything again, from source', { timeout: TIMEOUT_MS }, async () => {
    const { stdout } = await run(process.execPath, [SACM_SOURCE, 'demo', '--json'], { timeout: TIMEOUT_MS })
    expectSummary(stdout)
  })

  test('prints a report that a person can read, and keeps the data where it is told to', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const { stdout, stderr } = await run(process.execPath, [SACM, 'demo', '--data-dir', join(folder, 'kept')], {
      timeout: TIMEOUT_MS,
    })
    expect(stdout).toMatch(/Score \d+(\.\d+)?: \d+ of \d+ rules passed/)
    expect(stdout).toMatch(/after a restart of the server: \d+ attributes and \d+ rule results found again/)
    expect(stderr).toContain('restarting the server')
  })

  test('passes from the bundle and from the single binary, in a folder of its own with no Node on the PATH', {
    timeout: TIMEOUT_MS,
  }, async () => {
    await run(process.execPath, ['esbuild.config.ts', '--binary'], { cwd: ROOT, timeout: TIMEOUT_MS })
    const bundle = await run(process.execPath, [join(ROOT, 'dist/sacm.js'), 'demo', '--json'], {
      cwd: folder,
      timeout: TIMEOUT_MS,
    })
    expectSummary(bundle.stdout)

    const alone = join(folder, 'alone')
    mkdirSync(alone)
    copyFileSync(join(ROOT, 'dist/sacm'), join(alone, 'sacm'))
    const env = { PATH: '/nonexistent', HOME: alone }
    const binary = await run(join(alone, 'sacm'), ['demo', '--json'], { cwd: alone, env, timeout: TIMEOUT_MS })
    expectSummary(binary.stdout)
    // Writes, so that it starts the storage thread too.
    const writing = await run(join(alone, 'sacm'), ['user', 'add', 'alice', '--password', 'pw'], {
      cwd: alone,
      env: { ...env, NODE_OPTIONS: `--require ${TELL_COMPILED}` },
      timeout: TIMEOUT_MS,
    })
    expect(writing.stderr).toContain('main.cjs: kept true, refused false\nworker.cjs: kept true, refused false\n')
  })
})
