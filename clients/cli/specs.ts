/** The specifications that the program's parts say they implement, and the README's tables of them. */

import { modules } from '../../modules/index.ts'
import type { SpecRef } from '../../server/module/api.ts'
import { coreSpecs } from '../../server/specs.ts'
import { COMPLIANCE_HEADER, compliance, complianceRows } from './compliance.ts'

export interface ListedSpec extends SpecRef {
  /** The module, or `core`. */
  readonly by: string
}

/** Every specification that the program implements, sorted by document. */
export function listSpecs(): readonly ListedSpec[] {
  const listed = [
    ...coreSpecs.map((spec) => ({ ...spec, by: 'core' })),
    ...modules.flatMap((module) => module.specs.map((spec) => ({ ...spec, by: module.name }))),
  ]
  return listed.sort((a, b) => a.doc.localeCompare(b.doc, 'en', { numeric: true }))
}

/** The README's table. */
export function specsMarkdown(specs: readonly ListedSpec[]): string {
  return markdown(
    ['specification', 'version', 'by', 'status', 'left out'],
    specs.map(({ doc, version, by, status, omits = '' }) => [doc, version, by, status, omits]),
  )
}

/** The README's table of XEP-0479. */
export function complianceMarkdown(specs: readonly ListedSpec[]): string {
  return markdown(COMPLIANCE_HEADER, complianceRows(compliance(specs)))
}

function markdown(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  return [heading, heading.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
