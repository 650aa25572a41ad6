/** `sacm orchestrator`: the service that runs, and the commands that ask one thing of the components and go. */

import { readFileSync } from 'node:fs'
import { type Command, InvalidArgumentError } from 'commander'
import type { JobState } from '../../modules/sacm/xml.ts'
import { PolicyError } from '../../modules/scap/policy.ts'
import { type OrchestratorCommand, openOrchestrator, startOrchestrator } from '../orchestrator/index.ts'
import type { JobReport } from '../orchestrator/job-watch.ts'
import { programAssets } from './assets.ts'
import {
  asAnswerError,
  asConnectionError,
  type ConnectionFlags,
  connectionOptions,
  withConnectionFlags,
} from './connection.ts'
import { CliError, EXIT } from './exit.ts'
import type { Outcome } from './main.ts'
import { ago, Progress, print, printJson, printTable } from './output.ts'
import { runRole } from './role-process.ts'

const repeat = (text: string, before: string[]) => [...before, text]

interface WorkFlags extends ConnectionFlags {
  readonly json?: true
  readonly timeout: number
}

export function orchestratorCommand(orchestrator: Command, outcome: Outcome): void {
  withConnectionFlags(orchestrator)
    .addHelpText('after', '\nPrints one JSON line on stdout when components can register; what happens goes to stderr.')
    .action(async (flags: ConnectionFlags) => {
      const options = await connectionOptions(flags)
      outcome.exitCode = await runRole('orchestrator', options, async (onEvent) => {
        const service = await startOrchestrator({ ...options, onEvent })
        let id: string | undefined
        const ready = service.ready.then(() => {
          id = service.component
        })
        return { ready, closed: service.closed, id: () => id, close: () => service.close() }
      })
    })

  withConnectionFlags(orchestrator.command('components'))
    .description('List the components: what they are, what they can do, whether they are there.')
    .option('--json', 'print one JSON array')
    .action(async (flags: ConnectionFlags & { json?: true }) => {
      const components = await command(flags, ({ work }) => work.components())
      if (flags.json) printJson(components)
      else {
        printTable(
          ['component', 'state', 'since', 'type', 'account', 'capabilities'],
          components.map((item) => [
            item.component,
            { text: item.state, style: item.state === 'gone' ? 'red' : 'green' },
            ago(item.since),
            item.type,
            item.bareJid,
            item.capabilities.map(({ urn }) => urn).join(' '),
          ]),
        )
      }
    })

  withWorkFlags(orchestrator.command('collect'))
    .description('Have posture collected. Exit code 1 unless every component asked succeeds.')
    .option('--component <id>', 'ask this one (repeatable; default: all that can)', repeat, [])
    .option('--attribute <pattern>', "names to collect, '*' anywhere (repeatable; default: everything)", repeat, [])
    .option('--broadcast', 'one message to the topic of the capability instead of a request to each')
    .action(async (flags: WorkFlags & { component: string[]; attribute: string[]; broadcast?: true }) => {
      const report = await followed(flags, (watch, { work }) =>
        work.collect({
          ...watch,
          components: flags.component.length > 0 ? flags.component : 'all',
          attributes: flags.attribute,
          broadcast: flags.broadcast,
        }),
      )
      outcome.exitCode = showJob(flags, report)
    })

  withWorkFlags(orchestrator.command('evaluate'))
    .description('Have endpoints evaluated by a policy. `sacm repo results` shows the verdicts.')
    .requiredOption('--policy <id>', 'the policy')
    .option('--endpoint <id>', 'one endpoint (repeatable; default: all that the evaluator may see)', repeat, [])
    .option('--evaluator <component>', 'the evaluator to ask (default: the first that is there)')
    .action(async (flags: WorkFlags & { policy: string; endpoint: string[]; evaluator?: string }) => {
      const report = await followed(flags, (watch, { work }) =>
        work.evaluate({ ...watch, policy: flags.policy, endpoints: flags.endpoint, evaluator: flags.evaluator }),
      )
      outcome.exitCode = showJob(flags, report)
    })

  withConnectionFlags(orchestrator.command('publish-policy'))
    .description('Put a policy into the repository.')
    .argument('[file]', 'a policy in the XML form of modules/scap/README.md')
    .option('--bundled <name>', 'one that the program brings: linux-baseline')
    .option('--json', 'print one JSON object')
    .action(async (file: string | undefined, flags: ConnectionFlags & { bundled?: string; json?: true }) => {
      const { name, xml } = policyText(file, flags.bundled)
      const policy = await command(flags, async ({ work }) => {
        try {
          return await work.publishPolicy(xml)
        } catch (error) {
          if (!(error instanceof PolicyError)) throw error
          const place = [name, error.line, error.column].filter((part) => part !== undefined).join(':')
          throw new CliError(EXIT.bad, `${place}: ${error.message} (at ${error.path})`, undefined, { cause: error })
        }
      })
      if (flags.json) printJson({ id: policy.id, version: policy.version, rules: policy.rules.length })
      else print(`published ${policy.id} ${policy.version}: ${policy.rules.length} rules`)
    })
}

function withWorkFlags(target: Command): Command {
  return withConnectionFlags(target)
    .option('--timeout <seconds>', 'wait this long for the end of the work', seconds, 600)
    .option('--json', 'print one JSON object')
}

/** Runs one command as an orchestrator; every error in words. */
async function command<T>(flags: ConnectionFlags, run: (orchestrator: OrchestratorCommand) => Promise<T>): Promise<T> {
  const options = await connectionOptions(flags)
  let orchestrator: OrchestratorCommand
  try {
    orchestrator = await openOrchestrator(options)
  } catch (error) {
    const asked = asAnswerError(error)
    throw asked instanceof CliError ? asked : asConnectionError(error, options)
  }
  try {
    return await run(orchestrator)
  } catch (error) {
    throw asAnswerError(error)
  } finally {
    await orchestrator.close()
  }
}

interface Watch {
  readonly timeoutMs: number
  readonly onStart: (job: string, components: readonly string[]) => void
  readonly onState: (state: JobState) => void
}

/** Runs work and shows its progress on the way. */
async function followed(
  flags: WorkFlags,
  run: (watch: Watch, orchestrator: OrchestratorCommand) => Promise<JobReport>,
): Promise<JobReport> {
  const progress = new Progress(flags.json)
  try {
    return await command(flags, (orchestrator) =>
      run({ timeoutMs: flags.timeout * 1000, ...showProgress(progress) }, orchestrator),
    )
  } finally {
    progress.done()
  }
}

/** Callbacks that keep a progress line up to date with a job's states. */
export function showProgress(progress: Progress): Pick<Watch, 'onStart' | 'onState'> {
  const shares = new Map<string, number>()
  return {
    onStart: (_, components) => progress.step(`asked ${components.length === 0 ? 'nobody' : components.join(', ')}`),
    onState: (state) => {
      shares.set(
        state.component,
        state.state === 'progress' ? state.done / Math.max(1, state.total) : state.state === 'completed' ? 1 : 0,
      )
      const done = [...shares.values()].reduce((sum, share) => sum + share, 0) / shares.size
      progress.update(`${Math.round(done * 100)} % of ${shares.size} at work; ${state.component} ${state.state}`)
    },
  }
}

/** @returns the exit code */
function showJob(flags: WorkFlags, report: JobReport): number {
  if (flags.json) printJson(report)
  else {
    printTable(
      ['component', 'outcome', 'errors'],
      report.components.map(({ component, outcome, errors }) => [
        component,
        { text: outcome, style: outcome === 'success' ? 'green' : 'yellow' },
        errors.join('; '),
      ]),
    )
    if (report.components.length === 0) print('nobody is there to do it: is a component with the capability running?')
  }
  const isGood = report.components.length > 0 && report.components.every(({ outcome }) => outcome === 'success')
  return isGood ? EXIT.done : EXIT.bad
}

function policyText(
  file: string | undefined,
  bundled: string | undefined,
): { readonly name: string; readonly xml: string } {
  if ((file === undefined) === (bundled === undefined))
    throw new CliError(EXIT.misuse, 'name a policy file, or one with --bundled')
  if (bundled !== undefined) {
    if (bundled !== 'linux-baseline')
      throw new CliError(EXIT.misuse, `no policy ${bundled} is bundled; linux-baseline is`)
    return { name: bundled, xml: programAssets().text('linux-baseline.xml') }
  }
  const name = file ?? ''
  try {
    return { name, xml: readFileSync(name, 'utf8') }
  } catch (error) {
    throw new CliError(
      EXIT.misuse,
      `the policy cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      undefined,
      { cause: error },
    )
  }
}

function seconds(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('it takes whole seconds of at least 1.')
  return value
}
