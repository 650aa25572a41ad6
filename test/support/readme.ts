/** Writes the tables that come from the code into the README: `npm run readme`. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { complianceMarkdown, listSpecs, specsMarkdown } from '../../clients/cli/specs.ts'

const README = join(import.meta.dirname, '../../README.md')
const specs = listSpecs()
const tables = { specs: specsMarkdown(specs), compliance: complianceMarkdown(specs) }

let text = readFileSync(README, 'utf8')
for (const [name, table] of Object.entries(tables)) {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`]
  const [before, rest] = text.split(begin)
  const after = rest?.split(end)[1]
  if (before === undefined || after === undefined) throw new Error(`README.md has lost its marks ${begin} and ${end}`)
  text = `${before}${begin}\n${table}\n${end}${after}`
}
writeFileSync(README, text)
