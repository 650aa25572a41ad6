/**
 * What a specification demands, clause by clause, and the scenario or test that holds us to it. One file per
 * specification or part of it in `clauses/`; a line is
 *
 *     6.1.3.1 | MUST | the bare JID of a subscription that is not the requester's is refused | pubsub/6.1.3.1-jids-do-not-match
 *
 * section, keyword of RFC 2119, the demand in our words, and what holds it: scenarios by folder and name, tests by file,
 * several with a comma between; or `not ours: ` and why the demand is on somebody else or does not apply.
 */

import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const KEYWORDS = ['MUST', 'MUST NOT', 'SHOULD', 'SHOULD NOT', 'MAY', 'REQUIRED', 'RECOMMENDED', 'OPTIONAL']
const NOT_OURS = 'not ours: '

const files = globSync('test/conformance/clauses/*.txt', { cwd: ROOT })

/** What is wrong with a line, or nothing. */
function faultOf(line: string): string | undefined {
  const [section, keyword, demand, held, ...more] = line.split(' | ')
  if (!held || more.length) return 'not four fields'
  if (!/^\d+(\.\d+)*$/.test(section ?? '')) return `no section: ${section}`
  if (!KEYWORDS.includes(keyword ?? '')) return `no keyword: ${keyword}`
  if ((demand ?? '').length < 20) return 'says nothing'
  if (held.startsWith(NOT_OURS)) return held.length > NOT_OURS.length + 15 ? undefined : 'gives no reason'
  const missing = held.split(', ').filter((name) => !existsSync(fileOf(name)))
  return missing.length ? `not there: ${missing.join(', ')}` : undefined
}

/** `pubsub/6.2-x` is a scenario, `test/…/x.test.ts` a test. */
function fileOf(name: string): string {
  return join(ROOT, name.endsWith('.ts') ? name : `test/scenarios/${name}.txt`)
}

test('there are clauses', () => {
  expect(files.length).toBeGreaterThan(0)
})

describe.each(files)('%s', (file) => {
  const lines = readFileSync(join(ROOT, file), 'utf8')
    .split('\n')
    .filter((line) => line && !line.startsWith('#'))

  test(`${basename(file)}: each clause is held or says why not`, () => {
    expect(lines.length).toBeGreaterThan(0)
    const faults = lines.flatMap((line) => {
      const fault = faultOf(line)
      return fault ? [`${fault}: ${line}`] : []
    })
    expect(faults).toEqual([])
  })

  test(`${basename(file)}: no clause stands there twice`, () => {
    expect(new Set(lines).size).toBe(lines.length)
  })
})
