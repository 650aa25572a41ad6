/** `sacm evaluator`: judges endpoints by policies when asked, until a signal ends it. */

import type { Command } from 'commander'
import { startEvaluator } from '../evaluator/index.ts'
import { type ConnectionFlags, connectionOptions, withConnectionFlags } from './connection.ts'
import type { Outcome } from './main.ts'
import { runRole } from './role-process.ts'

export function evaluatorCommand(evaluator: Command, outcome: Outcome): void {
  withConnectionFlags(evaluator)
    .option('--state <file>', 'keeps the component id and the jobs done over restarts')
    .addHelpText('after', '\nPrints one JSON line on stdout when it is onboarded; what it does goes to stderr.')
    .action(async (flags: ConnectionFlags & { state?: string }) => {
      const options = await connectionOptions(flags)
      outcome.exitCode = await runRole('evaluator', options, async (onEvent, log) => {
        const evaluator = await startEvaluator({
          ...options,
          stateFile: flags.state,
          onEvent,
          onResult: ({ endpoint, policy, score, rules }) =>
            log.info({ what: 'result_published', endpoint, policy, score, rules: rules.length }),
        })
        return {
          ready: evaluator.ready,
          closed: evaluator.closed,
          id: () => evaluator.component.knownId,
          close: () => evaluator.close(),
        }
      })
    })
}
