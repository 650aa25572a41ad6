/** Run as a program: prints the attributes of the probes that its arguments name as JSON. */

import { allProbes } from '../../clients/collector/probes/all.ts'

const names = process.argv.slice(2)
const found = []
for (const probe of allProbes) {
  if (!names.includes(probe.name)) continue
  found.push(...(await probe.collect({ now: Date.now(), signal: AbortSignal.timeout(30_000), root: '/' })))
}
process.stdout.write(JSON.stringify(found))
