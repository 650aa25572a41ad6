/** `sacm demo`: the whole ecosystem on this machine, each part a process of its own, on real posture. */

import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { caCertFile, exportCa } from '../../certs/ca.ts'
import type { EvaluationResult, PostureRow, ResultRow, RuleResult, Verdict } from '../../modules/repository/xml.ts'
import { type Policy, parsePolicyText } from '../../modules/scap/policy.ts'
import { certificateDir } from '../../server/certificates.ts'
import { callControl } from '../../server/control.ts'
import { Client } from '../core/client.ts'
import { discover } from '../core/discover.ts'
import type { ClientOptions } from '../core/options.ts'
import { queryRows } from '../core/repository.ts'
import { openOrchestrator } from '../orchestrator/index.ts'
import type { JobReport } from '../orchestrator/job-watch.ts'
import { programAssets } from './assets.ts'
import { type DemoFindings, type DemoPlace, type DemoSummary, printDemoReport, printStay } from './demo-report.ts'
import { CliError, EXIT } from './exit.ts'
import { showProgress } from './orchestrator.ts'
import { Progress, printJson } from './output.ts'
import { countProbes } from './probe-counts.ts'
import { Processes, type Ready } from './processes.ts'

const DOMAIN = 'localhost'
const HOST = '127.0.0.1'
const ROLES = ['orchestrator', 'collector', 'evaluator'] as const
const WORK_TIMEOUT_MS = 300_000

export function demoCommand(demo: Command): void {
  demo
    .option('--stay', 'stay up afterwards, and tell how to look around')
    .option('--data-dir <dir>', 'keep the data in this folder (default: a temporary one that is removed)')
    .option('--json', 'print one summary object')
    .action(async (flags: { stay?: true; dataDir?: string; json?: true }) => {
      const started = performance.now()
      const assets = programAssets()
      const dataDir = resolve(flags.dataDir ?? mkdtempSync(join(tmpdir(), 'sacm-demo-')))
      mkdirSync(dataDir, { recursive: true, mode: 0o700 })
      const processes = new Processes(assets.command, dataDir)
      const stop = (): void => {
        processes.killAll()
        if (flags.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true })
        process.exit(130)
      }
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)
      const progress = new Progress(flags.json)
      let isDone = false
      try {
        const { place, findings } = await run(dataDir, processes, progress, started)
        progress.done()
        if (flags.json) printJson(findings.summary)
        else printDemoReport(findings)
        if (flags.stay) {
          for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop)
          if (!flags.json) printStay(place)
          await new Promise<void>((end) => {
            for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end())
          })
        }
        isDone = true
      } finally {
        progress.done()
        await processes.stopAll()
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop)
        // After a failure the logs are what one wants to see.
        if (flags.dataDir === undefined && isDone) rmSync(dataDir, { recursive: true, force: true })
        else if (!isDone) process.stderr.write(`the data and logs are kept in ${dataDir}\n`)
      }
    })
}

async function run(
  dataDir: string,
  processes: Processes,
  progress: Progress,
  started: number,
): Promise<{ place: DemoPlace; findings: DemoFindings }> {
  const assets = programAssets()
  progress.step('starting the server')
  const first = portsOf(await startServe(processes, dataDir))
  const place: DemoPlace = {
    dataDir,
    caFile: caCertFile(certificateDir(dataDir)),
    passwordFile: (user) => join(dataDir, `${user}.password`),
    ports: first,
    domain: DOMAIN,
    host: HOST,
    command: assets.command,
  }
  const demo = await addAccounts(place)
  progress.step('starting orchestrator, collector and evaluator')
  await Promise.all(ROLES.map((role) => startRole(processes, place, role)))

  const xml = assets.text('linux-baseline.xml')
  const policy = parsePolicyText(xml)
  const collectStarted = performance.now()
  await work(demo, progress, xml, policy.id)
  const collectSeconds = (performance.now() - collectStarted) / 1000

  progress.step('asking the repository')
  const before = await askRepository(demo, policy.id)
  const endpoint = before.attributes[0]?.endpoint
  if (endpoint === undefined || before.results.length === 0)
    throw new CliError(EXIT.bad, 'the repository has no posture or no results')

  progress.step('restarting the server')
  await processes.stop('serve')
  await startServe(processes, dataDir, first)
  const after = await askRepository(demo, policy.id)

  const rules = before.results.map((row) => row.rule)
  const summary: DemoSummary = {
    endpoint,
    attributes: before.attributes.length,
    probes: countProbes(before.attributes),
    policy: policy.id,
    rules: rules.length,
    verdicts: countVerdicts(rules),
    afterRestart: { attributes: after.attributes.length, results: after.results.length },
    seconds: Math.round((performance.now() - started) / 100) / 10,
  }
  if (summary.afterRestart.attributes !== summary.attributes || summary.afterRestart.results !== summary.rules) {
    throw new CliError(
      EXIT.bad,
      `the restart lost something: ${summary.attributes} attributes and ${summary.rules} results before, ${summary.afterRestart.attributes} and ${summary.afterRestart.results} after`,
    )
  }
  return {
    place,
    findings: {
      summary,
      policy,
      result: asResult(before.results, endpoint, policy),
      attributes: before.attributes,
      collectSeconds,
    },
  }
}

function startServe(processes: Processes, dataDir: string, ports?: DemoPlace['ports']): Promise<Ready> {
  const { c2s = 0, tls = 0, https = 0 } = ports ?? {}
  return processes.start('serve', [
    'serve',
    '--data-dir',
    dataDir,
    '--domain',
    DOMAIN,
    '--host',
    HOST,
    '--c2s-port',
    String(c2s),
    '--tls-port',
    String(tls),
    '--https-port',
    String(https),
  ])
}

function portsOf(ready: Ready): DemoPlace['ports'] {
  return { c2s: Number(ready['c2s']), tls: Number(ready['tls']), https: Number(ready['https']) }
}

/** One account per role, and one that drives the demo; each password in a file that only this user reads. */
async function addAccounts(place: DemoPlace): Promise<ClientOptions> {
  const accounts = [
    ...ROLES.map((role) => ({ user: role, roles: [role] })),
    { user: 'demo', roles: ['orchestrator', 'consumer'] },
  ]
  let password = ''
  for (const { user, roles } of accounts) {
    password = randomBytes(18).toString('base64url')
    writeFileSync(place.passwordFile(user), `${password}\n`, { mode: 0o600 })
    await callControl(place.dataDir, 'user.add', { jid: `${user}@${DOMAIN}`, password, roles })
  }
  const ca = exportCa(certificateDir(place.dataDir))
  if (ca === undefined) throw new Error('the server has made no authority')
  return { jid: `demo@${DOMAIN}`, password, host: HOST, port: place.ports.c2s, ca }
}

async function startRole(processes: Processes, place: DemoPlace, role: (typeof ROLES)[number]): Promise<void> {
  const state = role === 'orchestrator' ? [] : ['--state', join(place.dataDir, `${role}.json`)]
  await processes.start(role, [
    role,
    '--jid',
    `${role}@${DOMAIN}`,
    '--password-file',
    place.passwordFile(role),
    '--host',
    HOST,
    '--port',
    String(place.ports.c2s),
    '--ca',
    place.caFile,
    ...state,
  ])
}

/** Publishes the policy, has this host collected and evaluated. */
async function work(demo: ClientOptions, progress: Progress, xml: string, policy: string): Promise<void> {
  const orchestrator = await openOrchestrator(demo)
  try {
    await orchestrator.work.publishPolicy(xml)
    progress.step('collecting this host')
    check(
      'collection',
      await orchestrator.work.collect({ components: 'all', timeoutMs: WORK_TIMEOUT_MS, ...showProgress(progress) }),
    )
    progress.step(`evaluating ${policy}`)
    check(
      'evaluation',
      await orchestrator.work.evaluate({ policy, timeoutMs: WORK_TIMEOUT_MS, ...showProgress(progress) }),
    )
  } finally {
    await orchestrator.close()
  }
}

/** A probe that cannot read something is part of the picture; one that nobody answered for is a failure. */
function check(what: string, report: JobReport): void {
  const bad = report.components.filter(({ outcome }) => outcome !== 'success' && outcome !== 'partial')
  if (report.components.length > 0 && bad.length === 0) return
  const why = bad.map(({ component, outcome, errors }) => `${component} ${outcome} ${errors.join('; ')}`).join(', ')
  throw new CliError(EXIT.bad, `the ${what} did not succeed: ${why || 'nobody is there to do it'}`)
}

async function askRepository(
  demo: ClientOptions,
  policy: string,
): Promise<{ attributes: PostureRow[]; results: ResultRow[] }> {
  const client = new Client(
    { ...demo, jid: `${demo.jid}/ask` },
    { identities: [{ category: 'client', type: 'console' }], presence: false },
  )
  try {
    await client.start()
    client.closed.catch(() => undefined)
    const { repository } = await discover(client, DOMAIN)
    return {
      attributes: await Array.fromAsync(queryRows<'posture'>(client, repository, { kind: 'posture' })),
      results: await Array.fromAsync(queryRows<'results'>(client, repository, { kind: 'results', policy })),
    }
  } finally {
    await client.close()
  }
}

function countVerdicts(rules: readonly RuleResult[]): Partial<Record<Verdict, number>> {
  const counts: Partial<Record<Verdict, number>> = {}
  for (const { verdict } of rules) counts[verdict] = (counts[verdict] ?? 0) + 1
  return counts
}

/** The rows of one result, put together again. */
function asResult(rows: readonly ResultRow[], endpoint: string, policy: Policy): EvaluationResult {
  const counts = countVerdicts(rows.map((row) => row.rule))
  const decided = (counts.pass ?? 0) + (counts.fail ?? 0) + (counts.error ?? 0) + (counts.unknown ?? 0)
  return {
    endpoint,
    policy: policy.id,
    evaluated: rows[0]?.evaluated ?? 0,
    score: decided === 0 ? 0 : Math.round((10_000 * (counts.pass ?? 0)) / decided) / 100,
    rules: rows.map((row) => row.rule),
  }
}
