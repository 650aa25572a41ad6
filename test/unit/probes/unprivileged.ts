/** Run as a program: gives up root, runs the named probes on a root, prints their attributes as JSON. */

import { allProbes } from '../../../clients/collector/probes/all.ts'

const [root = '/', ...names] = process.argv.slice(2)
const NOBODY = 65_534
if (process.getuid?.() === 0) {
  process.setgroups?.([])
  process.setgid?.(NOBODY)
  process.setuid?.(NOBODY)
}
const result: Record<string, unknown> = {}
for (const probe of allProbes) {
  if (names.length > 0 && !names.includes(probe.name)) continue
  result[probe.name] = await probe.collect({ now: Date.now(), signal: AbortSignal.timeout(30_000), root })
}
process.stdout.write(JSON.stringify(result))
