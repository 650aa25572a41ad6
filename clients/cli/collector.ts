/** `sacm collector`: the collector of this host, long-running; `sacm collector collect` looks once, with no server. */

import type { Command } from 'commander'
import { collectOnce } from '../collector/collect.ts'
import { startCollector } from '../collector/index.ts'
import { allProbes } from '../collector/probes/all.ts'
import { type ConnectionFlags, connectionOptions, withConnectionFlags } from './connection.ts'
import type { Outcome } from './main.ts'
import { Progress, paint, print, printable, printJson, printTable } from './output.ts'
import { runRole } from './role-process.ts'

const repeat = (text: string, before: string[]) => [...before, text]

export function collectorCommand(command: Command, outcome: Outcome): void {
  withConnectionFlags(command)
    .option('--state <file>', 'keeps the component id and the jobs done over restarts')
    .addHelpText(
      'after',
      '\nPrints one JSON line on stdout when it is onboarded; what it does goes to stderr.\nIt only reads, and runs nothing that a request names. As root it sees more.',
    )
    .action(async (flags: ConnectionFlags & { state?: string }) => {
      const options = await connectionOptions(flags)
      outcome.exitCode = await runRole('collector', options, async (onEvent, log) => {
        const collector = await startCollector({
          ...options,
          stateFile: flags.state,
          onEvent,
          onReport: ({ probe, attributes, durationMs, error }, job) =>
            log.info({
              what: 'probe_reported',
              probe,
              attributes: attributes.length,
              durationMs,
              job,
              ...(error ? { error } : {}),
            }),
        })
        return {
          ready: collector.ready,
          closed: collector.closed,
          id: () => collector.component.knownId,
          close: () => collector.close(),
        }
      })
    })

  command
    .command('collect')
    .description('Look at this host once and print what is seen; no server is needed.')
    .option('--attribute <pattern>', "names to collect, '*' anywhere (repeatable; default: all)", repeat, [])
    .option('--counts', 'only count the attributes of each probe')
    .option('--json', 'print one JSON object')
    .action(async (flags: { attribute: string[]; counts?: true; json?: true }) => {
      const progress = new Progress(flags.json)
      const reports = await collectOnce({
        probes: allProbes,
        signal: new AbortController().signal,
        attributes: flags.attribute,
        onReport: (report, done, total) => progress.update(`${done} of ${total}: ${report.probe}`),
      })
      progress.done()
      if (flags.json) {
        printJson(
          flags.counts
            ? Object.fromEntries(reports.map((report) => [report.probe, report.attributes.length]))
            : { reports },
        )
      } else if (flags.counts) {
        printTable(
          ['probe', 'attributes', 'not read', 'ms'],
          reports.map((report) => [
            report.probe,
            String(report.attributes.length),
            String(report.attributes.filter(({ status }) => status === 'error' || status === 'not-collected').length),
            String(report.durationMs),
          ]),
        )
      } else {
        for (const { probe, attributes } of reports) {
          print(paint('bold', probe))
          for (const { name, value, status, reason } of attributes) {
            print(
              `  ${printable(name)} = ${value === undefined ? paint('yellow', printable(`(${status}${reason ? `: ${reason}` : ''})`)) : printable(value)}`,
            )
          }
        }
      }
    })
}
