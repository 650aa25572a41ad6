/**
 * The server is taken away in the middle of twenty publishers, by SIGKILL and by a power cut that loses or tears what
 * was not synced: after each restart every acknowledged item is there, whole, once, and in the order in which its
 * publisher's acknowledgements came. 200 rounds of each with SACM_LONG=1, three without.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { buildDisk, type Disk } from '../support/disk.ts'
import { anyMoment, expectAllKept, Publishers } from '../support/publishers.ts'
import { type Random, random } from '../support/random.ts'
import { startServer, type TestServer } from '../support/server.ts'

const ROUNDS = process.env['SACM_LONG'] ? 200 : 3
/** Then a new data folder: what a round reads stays bounded, and first starts are cut off too. */
const ROUNDS_PER_FOLDER = 20
const ROUND_MS = 40_000

let folder: string
let server: TestServer | undefined
let publishers: Publishers

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sacm-kill-'))
  publishers = new Publishers()
})
afterEach(async () => {
  await publishers.close()
  await server?.stop()
  server = undefined
  rmSync(folder, { recursive: true, force: true })
})

/** @returns how many items and reports were acknowledged in all, and writes taken by the disk */
async function killInRounds(
  from: Random,
  where: string,
  disk?: Disk,
): Promise<{ acknowledged: number; reports: number; lost: number }> {
  let acknowledged = 0
  let reports = 0
  let lost = 0
  let start = async (): Promise<TestServer> => Promise.reject(new Error('no folder yet'))
  for (let round = 0; round < ROUNDS; round++) {
    if (round % ROUNDS_PER_FOLDER === 0) {
      await server?.stop()
      const dataDir = mkdtempSync(join(folder, 'data-'))
      start = () => startServer({ dataDir, set: { 'pubsub.create': 'anyone' }, ...(disk && { env: disk.env }) })
      server = await start()
      acknowledged += publishers.acknowledged
      reports += publishers.reports
      publishers = new Publishers()
      await publishers.settle(server)
    }
    const running = server ?? (await start())
    await publishers.publishUntilDead(running, anyMoment(from), () => running.kill())
    lost += disk?.cutPower(running.dataDir, from.int(2) === 0 ? 'lose' : 'tear', from) ?? 0
    server = await start()
    await expectAllKept(publishers, server, `${where}, round ${round}`)
  }
  reports += publishers.reports
  expect(reports).toBeGreaterThan(0)
  return { acknowledged: acknowledged + publishers.acknowledged, reports, lost }
}

test(`${ROUNDS} kills under 20 publishers lose nothing that was acknowledged`, {
  timeout: ROUNDS * ROUND_MS,
}, async (context) => {
  const seed = Date.now() % 1_000_000
  const { acknowledged, reports } = await killInRounds(random(seed), `seed ${seed}`)
  const text = `${ROUNDS} kills, ${acknowledged} items acknowledged, ${reports} of them reports, none lost (seed ${seed})`
  await context.annotate(text)
})

test(`${ROUNDS} power cuts under 20 publishers lose nothing that was acknowledged`, {
  timeout: ROUNDS * ROUND_MS,
}, async (context) => {
  const seed = Date.now() % 1_000_000
  const { acknowledged, reports, lost } = await killInRounds(random(seed), `seed ${seed}`, buildDisk(context, folder))
  const text = `${ROUNDS} power cuts took ${lost} writes, ${acknowledged} items acknowledged, ${reports} of them reports, none lost (seed ${seed})`
  await context.annotate(text)
})

test('a power cut is one: on a disk that lies about its syncs, acknowledged items are lost', async (context) => {
  const seed = Date.now() % 1_000_000
  const dataDir = join(folder, 'data')
  const set = { 'pubsub.create': 'anyone' }
  server = await startServer({ dataDir, set })
  await publishers.settle(server)
  await server.stop() // what was there before is kept, as no disk lies for ever
  const disk = buildDisk(context, folder, { lies: true })
  server = await startServer({ dataDir, set, env: disk.env })
  const running = server
  await publishers.publishUntilDead(running, 200, () => running.kill())
  expect(disk.cutPower(dataDir, 'lose', random(seed))).toBeGreaterThan(0)
  server = await startServer({ dataDir, set })
  const faults = await publishers.faults(server)
  expect(faults.filter((fault) => fault.endsWith('was acknowledged and is lost')).length).toBeGreaterThanOrEqual(200)
})
