/** `sacm version`: the program's version, and the specifications that its parts say they implement. */

import type { Command } from 'commander'
import { modules } from '../../modules/index.ts'
import type { SpecRef } from '../../server/module/api.ts'
import { coreSpecs } from '../../server/specs.ts'
import { VERSION } from '../../server/version.ts'
import { COMPLIANCE_HEADER, compliance, complianceRows } from './compliance.ts'
import { print, printJson, printTable } from './output.ts'

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

export function versionCommand(program: Command): void {
  program
    .command('version')
    .description('Print the version, and with --specs the specifications implemented.')
    .option('--specs', 'list the specifications, their version, status and what is left out')
    .option(
      '--compliance',
      'list the requirements of the XMPP Compliance Suites 2023 (XEP-0479) and whether they are met',
    )
    .option('--markdown', 'with --specs or --compliance: as a Markdown table')
    .option('--json', 'print one JSON object')
    .action((flags: { specs?: true; compliance?: true; markdown?: true; json?: true }) => {
      const specs = listSpecs()
      const standings = compliance(specs)
      if (flags.json) {
        printJson({
          version: VERSION,
          node: process.versions.node,
          platform: `${process.platform}-${process.arch}`,
          ...(flags.specs ? { specs } : {}),
          ...(flags.compliance ? { compliance: standings } : {}),
        })
        return
      }
      if (flags.markdown) {
        print(flags.compliance ? complianceMarkdown(specs) : specsMarkdown(specs))
        return
      }
      print(`sacm ${VERSION} (Node ${process.versions.node}, ${process.platform}-${process.arch})`)
      if (flags.compliance) {
        print()
        printTable(COMPLIANCE_HEADER, complianceRows(standings))
      }
      if (!flags.specs) return
      print()
      printTable(
        ['specification', 'version', 'status', 'by', 'left out'],
        specs.map((spec) => [spec.doc, spec.version, spec.status, spec.by, spec.omits ?? '']),
      )
    })
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
