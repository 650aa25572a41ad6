/** `sacm version`: the program's version, and the specifications that its parts say they implement. */

import type { Command } from 'commander'
import { VERSION } from '../../server/version.ts'
import { COMPLIANCE_HEADER, compliance, complianceRows } from './compliance.ts'
import { print, printJson, printTable } from './output.ts'

interface VersionFlags {
  readonly specs?: true
  readonly compliance?: true
  readonly markdown?: true
  readonly json?: true
}

export function versionCommand(version: Command): void {
  version
    .option('--specs', 'list the specifications, their version, status and what is left out')
    .option(
      '--compliance',
      'list the requirements of the XMPP Compliance Suites 2023 (XEP-0479) and whether they are met',
    )
    .option('--markdown', 'with --specs or --compliance: as a Markdown table')
    .option('--json', 'print one JSON object')
    .action(async (flags: VersionFlags) => {
      if (flags.json) await printObject(flags)
      else if (flags.markdown) await printMarkdown(flags)
      else await printText(flags)
    })
}

/** What only some of the options need: it brings every module along. */
const loadSpecs = () => import('./specs.ts')

async function printObject(flags: VersionFlags): Promise<void> {
  const specs = flags.specs || flags.compliance ? (await loadSpecs()).listSpecs() : []
  printJson({
    version: VERSION,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    ...(flags.specs ? { specs } : {}),
    ...(flags.compliance ? { compliance: compliance(specs) } : {}),
  })
}

async function printMarkdown(flags: VersionFlags): Promise<void> {
  const { complianceMarkdown, listSpecs, specsMarkdown } = await loadSpecs()
  print(flags.compliance ? complianceMarkdown(listSpecs()) : specsMarkdown(listSpecs()))
}

async function printText(flags: VersionFlags): Promise<void> {
  print(`sacm ${VERSION} (Node ${process.versions.node}, ${process.platform}-${process.arch})`)
  if (!flags.specs && !flags.compliance) return
  const { listSpecs } = await loadSpecs()
  const specs = listSpecs()
  if (flags.compliance) {
    print()
    printTable(COMPLIANCE_HEADER, complianceRows(compliance(specs)))
  }
  if (!flags.specs) return
  print()
  printTable(
    ['specification', 'version', 'status', 'by', 'left out'],
    specs.map((spec) => [spec.doc, spec.version, spec.status, spec.by, spec.omits ?? '']),
  )
}
