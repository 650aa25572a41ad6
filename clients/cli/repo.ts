/** `sacm repo`: the repository, asked over XMPP as any client would. */

import { type Command, InvalidArgumentError } from 'commander'
import type { EndpointRow, PolicyRow, PostureRow, ResultRow, Verdict } from '../../modules/repository/xml.ts'
import { type PagedKind, type PagedQuery, queryRows, type Row } from '../core/repository.ts'
import { asAnswerError, type ConnectionFlags, connectOnce, withConnectionFlags } from './connection.ts'
import { EXIT } from './exit.ts'
import type { Outcome } from './main.ts'
import { ago, type Cell, Progress, print, printJson, printTable } from './output.ts'

interface CommonFlags extends ConnectionFlags {
  readonly json?: true
  readonly limit: number
}

const DEFAULT_LIMIT = 1000
const MAX_VALUE_WIDTH = 80

export function repoCommand(repo: Command, outcome: Outcome): void {
  withCommonFlags(repo.command('endpoints'))
    .description('List the endpoints, how they were identified, and when they were last seen.')
    .option('--id <id>', 'one endpoint')
    .option('--label <label>', 'endpoints with this label')
    .action(async (flags: CommonFlags & { id?: string; label?: string }) => {
      const rows = await ask(flags, { kind: 'endpoints', ...defined({ id: flags.id, label: flags.label }) })
      show(flags, rows, ['endpoint', 'identified by', 'labels', 'first seen', 'last seen'], endpointCells)
    })

  withCommonFlags(repo.command('posture'))
    .description('List posture attributes, as they are now or were at a moment.')
    .option('--endpoint <id>', 'of one endpoint')
    .option('--label <label>', 'of endpoints with this label')
    .option('--name <pattern>', "attribute name, '*' anywhere")
    .option('--as-of <time>', 'as it was then: 2026-11-22T14:00:00Z', timeOf)
    .option('--after <time>', 'collected after', timeOf)
    .option('--before <time>', 'collected before', timeOf)
    .option('--max-age <seconds>', 'mark what is older as stale', secondsOf)
    .action(
      async (
        flags: CommonFlags & {
          endpoint?: string
          label?: string
          name?: string
          asOf?: number
          after?: number
          before?: number
          maxAge?: number
        },
      ) => {
        const { endpoint, label, name, asOf, after, before, maxAge } = flags
        const rows = await ask(flags, {
          kind: 'posture',
          ...defined({ endpoint, label, name, asOf, after, before, maxAgeSeconds: maxAge }),
        })
        show(flags, rows, ['attribute', 'value', 'status', 'collected', 'endpoint'], postureCells)
      },
    )

  withCommonFlags(repo.command('results'))
    .description('List rule results with their evidence. Exit code 1 when a rule among them failed.')
    .option('--endpoint <id>', 'of one endpoint')
    .option('--policy <id>', 'of one policy')
    .option('--rule <id>', 'of one rule')
    .option('--verdict <verdict>', 'pass, fail, error, unknown, notapplicable …')
    .option('--as-of <time>', 'as it was then', timeOf)
    .action(
      async (
        flags: CommonFlags & { endpoint?: string; policy?: string; rule?: string; verdict?: Verdict; asOf?: number },
      ) => {
        const { endpoint, policy, rule, verdict, asOf } = flags
        const rows = await ask(flags, { kind: 'results', ...defined({ endpoint, policy, rule, verdict, asOf }) })
        show(flags, rows, ['verdict', 'rule', 'evidence', 'evaluated', 'policy', 'endpoint'], resultCells)
        if (rows.some((row) => row.rule.verdict === 'fail')) outcome.exitCode = EXIT.bad
      },
    )

  withCommonFlags(repo.command('policies'))
    .description('List the policies that are stored.')
    .option('--name <pattern>', "title or id, '*' anywhere")
    .action(async (flags: CommonFlags & { name?: string }) => {
      const rows = await ask(flags, { kind: 'policies', ...defined({ name: flags.name }) })
      show(flags, rows, ['policy', 'version', 'rules', 'title', 'published', 'by'], policyCells)
    })
}

function withCommonFlags(command: Command): Command {
  return withConnectionFlags(command)
    .option('--json', 'print one JSON array')
    .option('--limit <n>', 'rows at most', countOf, DEFAULT_LIMIT)
}

async function ask<K extends PagedKind>(
  flags: CommonFlags,
  query: { readonly kind: K } & Omit<PagedQuery<K>, 'kind' | 'page'>,
): Promise<Row<K>[]> {
  await using connected = await connectOnce(flags)
  const progress = new Progress(flags.json)
  const slow = setInterval(() => progress.update(`${rows.length} rows`), 2000)
  const rows: Row<K>[] = []
  try {
    for await (const row of queryRows<K>(connected.client, connected.services.repository, query)) {
      rows.push(row)
      if (rows.length >= flags.limit) {
        process.stderr.write(`only the first ${flags.limit} rows: raise --limit for more\n`)
        break
      }
    }
    return rows
  } catch (error) {
    throw asAnswerError(error)
  } finally {
    clearInterval(slow)
    progress.done()
  }
}

function show<R>(
  flags: CommonFlags,
  rows: readonly R[],
  heading: readonly string[],
  cells: (row: R) => readonly Cell[],
): void {
  if (flags.json) printJson(rows)
  else {
    printTable(heading, rows.map(cells))
    if (rows.length === 0) print('nothing found')
  }
}

function endpointCells(row: EndpointRow): readonly string[] {
  const identifiers = row.identifiers.map(({ type, value }) => `${type}=${value}`).join(' ')
  const conflict = row.conflicts.length > 0 ? ` (conflicts with ${row.conflicts.join(' ')})` : ''
  return [row.id, identifiers + conflict, row.labels.join(' '), ago(row.firstSeen), ago(row.lastSeen)]
}

function postureCells(row: PostureRow): readonly string[] {
  const value = row.value ?? row.reason ?? ''
  return [row.name, shorten(value), row.stale ? `${row.status}, stale` : row.status, ago(row.collected), row.endpoint]
}

function resultCells(row: ResultRow): readonly Cell[] {
  const evidence = row.rule.evidence.map(({ name, value, status }) => `${name}=${value ?? status}`).join(' ')
  return [
    verdictCell(row.rule.verdict),
    row.rule.id,
    shorten(evidence || (row.rule.message ?? '')),
    ago(row.evaluated),
    row.policy,
    row.endpoint,
  ]
}

function policyCells(row: PolicyRow): readonly string[] {
  return [row.id, row.version, String(row.rules), row.title, ago(row.published), row.publisher]
}

/** The verdict in the colour that it has everywhere. */
function verdictCell(verdict: Verdict): Cell {
  switch (verdict) {
    case 'pass':
      return { text: verdict, style: 'green' }
    case 'fail':
      return { text: verdict, style: 'red' }
    case 'error':
    case 'unknown':
      return { text: verdict, style: 'yellow' }
    default:
      return { text: verdict, style: 'dim' }
  }
}

function shorten(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ')
  return line.length > MAX_VALUE_WIDTH ? `${line.slice(0, MAX_VALUE_WIDTH - 1)}…` : line
}

/** Only the fields that have a value: an undefined one would not mean the same as one left out. */
function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  // What is left has no undefined value, field by field.
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

function timeOf(text: string): number {
  const time = Date.parse(text)
  if (Number.isNaN(time)) throw new InvalidArgumentError('a time is written 2026-11-22T14:00:00Z.')
  return time
}

function secondsOf(text: string): number {
  const seconds = Number(text)
  if (!Number.isInteger(seconds) || seconds < 0) throw new InvalidArgumentError('it takes whole seconds.')
  return seconds
}

function countOf(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('it takes a number of at least 1.')
  return count
}
