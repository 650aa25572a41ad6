/** What the demo shows: the score, what failed and what to do, what could not be read, and how to look around. */

import type { EvaluationResult, PostureRow, Verdict } from '../../modules/repository/xml.ts'
import type { Policy } from '../../modules/scap/policy.ts'
import { describeResult, type ReportRule } from '../evaluator/system/report.ts'
import { paint, print, printable, printTable } from './output.ts'
import { countProbes } from './probe-counts.ts'

/** What `--json` prints. */
export interface DemoSummary {
  readonly endpoint: string
  readonly attributes: number
  readonly probes: Readonly<Record<string, number>>
  readonly policy: string
  readonly rules: number
  readonly verdicts: Readonly<Partial<Record<Verdict, number>>>
  readonly afterRestart: { readonly attributes: number; readonly results: number }
  readonly seconds: number
}

/** What the run found, for the report. */
export interface DemoFindings {
  readonly summary: DemoSummary
  readonly policy: Policy
  readonly result: EvaluationResult
  readonly attributes: readonly PostureRow[]
  readonly collectSeconds: number
}

/** Where the running ecosystem is, for those who look around. */
export interface DemoPlace {
  readonly dataDir: string
  readonly caFile: string
  readonly passwordFile: (user: string) => string
  readonly ports: { readonly c2s: number; readonly tls: number; readonly https: number }
  readonly domain: string
  readonly host: string
  readonly command: readonly string[]
}

const MAX_EVIDENCE_LINES = 4

export function printDemoReport({ summary, policy, result, attributes, collectSeconds }: DemoFindings): void {
  const value = (name: string): string => printable(attributes.find((row) => row.name === name)?.value ?? 'unknown')
  const report = describeResult(result, policy)

  print(`${paint('bold', value('machine.hostname'))}  ${value('os.pretty-name')}, kernel ${value('kernel.release')}`)
  print(`endpoint ${summary.endpoint}`)
  print()
  print(paint('bold', `${report.title}: ${summary.rules} rules`))
  print(report.summary)
  printRules('Failed', report.failed, 'red')
  printRules('Not decided', report.undecided, 'yellow')

  print()
  print(paint('bold', `${summary.attributes} attributes collected and evaluated in ${collectSeconds.toFixed(1)} s`))
  const unread = countProbes(attributes.filter(isUnread))
  printTable(
    ['probe', 'attributes', 'not read'],
    Object.entries(summary.probes).map(([probe, count]) => [probe, String(count), String(unread[probe] || '')]),
  )
  printReasons(attributes)
  print()
  print(
    `${paint('green', '✓')} after a restart of the server: ${summary.afterRestart.attributes} attributes and ${summary.afterRestart.results} rule results found again`,
  )
  print(`  ${summary.seconds} s in all`)
}

function printRules(title: string, rules: readonly ReportRule[], colour: 'red' | 'yellow'): void {
  if (rules.length === 0) return
  print()
  print(paint('bold', `${title} (${rules.length})`))
  for (const rule of rules) {
    print(`${paint(colour, rule.severity.padEnd(8))} ${rule.title}  ${paint('dim', rule.id)}`)
    if (rule.message) print(`           ${printable(rule.message)}`)
    for (const line of rule.evidence.slice(0, MAX_EVIDENCE_LINES))
      print(`  ${paint('dim', 'found')}    ${printable(line)}`)
    const more = rule.evidence.length - MAX_EVIDENCE_LINES
    if (more > 0) print(`           and ${more} more`)
    if (rule.remediation) print(`  ${paint('dim', 'do')}       ${rule.remediation}`)
    if (rule.references[0]) print(`  ${paint('dim', 'see')}      ${rule.references[0]}`)
  }
}

function isUnread({ status }: { readonly status: string }): boolean {
  return status === 'error' || status === 'not-collected'
}

/** Why something was not read, each reason once. */
function printReasons(attributes: DemoFindings['attributes']): void {
  const reasons = Map.groupBy(attributes.filter(isUnread), (row) => row.reason ?? 'no reason given')
  if (reasons.size === 0) return
  print()
  print(paint('bold', 'Not read'))
  for (const [reason, rows] of reasons) {
    const [first] = rows
    print(
      `  ${printable(first?.name ?? '')}${rows.length > 1 ? ` and ${rows.length - 1} more` : ''}: ${printable(reason)}`,
    )
  }
}

export function printStay({ dataDir, caFile, passwordFile, ports, domain, host, command }: DemoPlace): void {
  const sacm = command.join(' ')
  const connection = `--jid demo@${domain} --password-file ${passwordFile('demo')} --host ${host} --port ${ports.c2s} --ca ${caFile}`
  print()
  print(paint('bold', 'The ecosystem stays up until Ctrl-C.'))
  print(`
Any XMPP client:
  account    demo@${domain}, its password is in ${passwordFile('demo')}
  STARTTLS   ${host}:${ports.c2s}
  direct TLS ${host}:${ports.tls}
  WebSocket  wss://${domain}:${ports.https}/xmpp-websocket
  authority  ${caFile}
  look at    service discovery of ${domain}; the nodes of pubsub.${domain}, such as /inventory and /repository/posture

This program:
  ${sacm} orchestrator components ${connection}
  ${sacm} repo posture ${connection} --name 'sshd.*'
  ${sacm} repo results ${connection} --verdict fail

Logs: ${dataDir}/*.log`)
}
