/** Writes the table of specifications, as the modules declare it, into the README: `npm run readme`. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { listSpecs, specsMarkdown } from '../../clients/cli/version.ts'

const README = join(import.meta.dirname, '../../README.md')
const [BEGIN, END] = ['<!-- specs:begin -->', '<!-- specs:end -->']

const text = readFileSync(README, 'utf8')
const [before, rest] = text.split(BEGIN)
const after = rest?.split(END)[1]
if (before === undefined || after === undefined) throw new Error(`README.md has lost its marks ${BEGIN} and ${END}`)
writeFileSync(README, `${before}${BEGIN}\n${specsMarkdown(listSpecs())}\n${END}${after}`)
