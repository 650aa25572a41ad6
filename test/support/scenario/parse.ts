/**
 * Reads a scenario's text: a title, then one step per line; lines that begin with white space continue the step above.
 *
 *   # RFC 6120 §8.1.1  the title: the section first       further lines with # are comments
 *   only tcp                                               or `only websocket`; without it: both
 *   account bob@test as collector,admin                    an account that nobody logs in to here; roles are optional, a grant is a role:scope
 *   client alice alice@test/desk as publisher              logs in and binds; mid-scenario too
 *   component rain rain.example                            an external component (XEP-0114), made and connected
 *   raw eve                                                connects and says nothing
 *   alice > <message to='bob@test'/>                       sends the text as it stands
 *   alice >> <a>\xff{1000*b}{base64:c}</a>                 the same with \xNN \n \r \t \0 \\, {count*text}, {base64:text}
 *   alice > <value>{in 2 s}</value>                        the time two seconds from now (XEP-0082)
 *   alice < <iq type='result' id='{id}'>...</iq>           the next thing received matches (see match.ts)
 *   alice <? <message/>                                    one of the things received, or to come, matches
 *   alice < nothing                                        proved by a round trip of every client, never by waiting
 *   eve opens | starttls | closes | drops                  a stream header and its answer; TLS; our closing tag; cut off
 *   eve secures                                            a header on a stream with TLS, wherever the transport has it
 *   eve closed                                             the peer closed the stream and the connection
 *   eve gone                                               the connection ended without a word more
 *
 * The server's domain is `test`. Accounts get new names for each run, so `alice@test` reaches the server as
 * `alice-7@test`; `{alice}` is the name alone, `{run}` the number, for nodes and other shared names. A component's domain
 * gets one too: `rain.example` is `rain-7.example` on the wire.
 */

export interface Account {
  readonly local: string
  readonly roles: readonly string[]
}

export type Step = { readonly line: number } & (
  | { readonly kind: 'account'; readonly account: Account }
  | { readonly kind: 'client'; readonly who: string; readonly account: Account; readonly resource: string | undefined }
  | { readonly kind: 'raw'; readonly who: string }
  | { readonly kind: 'component'; readonly who: string; readonly domain: string }
  | { readonly kind: 'send'; readonly who: string; readonly text: string; readonly isEscaped: boolean }
  | { readonly kind: 'expect'; readonly who: string; readonly pattern: string; readonly order: 'next' | 'any' }
  | { readonly kind: 'nothing'; readonly who: string }
  | { readonly kind: 'do'; readonly who: string; readonly verb: Verb }
)
export type Verb = 'opens' | 'secures' | 'starttls' | 'closes' | 'drops' | 'closed' | 'gone'

export interface Scenario {
  readonly title: string
  readonly only: 'tcp' | 'websocket' | undefined
  readonly steps: readonly Step[]
}

const VERBS: ReadonlySet<string> = new Set<Verb>(['opens', 'secures', 'starttls', 'closes', 'drops', 'closed', 'gone'])

/** @throws Error naming the line that is none of the above */
export function parseScenario(text: string): Scenario {
  let title = ''
  let only: Scenario['only']
  const steps: Step[] = []
  const names = new Set<string>()
  for (const { line, content } of logicalLines(text)) {
    if (content.startsWith('#')) {
      if (title === '') title = content.replace(/^#\s*/, '')
      continue
    }
    const onlyMatch = /^only (tcp|websocket)$/.exec(content)
    if (onlyMatch) {
      only = onlyMatch[1] === 'tcp' ? 'tcp' : 'websocket'
      continue
    }
    const step = parseStep(line, content)
    if (!step) throw new Error(`line ${line}: not a step: ${content}`)
    if (step.kind === 'client' || step.kind === 'raw' || step.kind === 'component') names.add(step.who)
    else if (step.kind !== 'account' && !names.has(step.who)) throw new Error(`line ${line}: who is ${step.who}?`)
    steps.push(step)
  }
  if (title === '') throw new Error('a scenario begins with its title: # section  title')
  return { title, only, steps }
}

function parseStep(line: number, content: string): Step | undefined {
  const account = /^account ([\w.-]+)@test(?: as ([\w,:]+))?$/.exec(content)
  if (account) return { kind: 'account', line, account: accountOf(account[1], account[2]) }
  const client = /^client (\w+) +([\w.-]+)@test(?:\/(\S+))?(?: as ([\w,:]+))?$/.exec(content)
  if (client) {
    return {
      kind: 'client',
      line,
      who: client[1] ?? '',
      account: accountOf(client[2], client[4]),
      resource: client[3],
    }
  }
  const raw = /^raw (\w+)$/.exec(content)
  if (raw) return { kind: 'raw', line, who: raw[1] ?? '' }
  const component = /^component (\w+) +([\w.-]+)$/.exec(content)
  if (component) return { kind: 'component', line, who: component[1] ?? '', domain: component[2] ?? '' }
  const exchange = /^(\w+) +(>>|>|<\?|<) ([\s\S]*)$/.exec(content)
  if (exchange) {
    const [, who = '', arrow, rest = ''] = exchange
    if (arrow === '>' || arrow === '>>') return { kind: 'send', line, who, text: rest, isEscaped: arrow === '>>' }
    if (rest === 'nothing') return arrow === '<' ? { kind: 'nothing', line, who } : undefined
    return { kind: 'expect', line, who, pattern: rest, order: arrow === '<' ? 'next' : 'any' }
  }
  const act = /^(\w+) +(\w+)$/.exec(content)
  // The set holds all verbs and nothing else.
  if (act && VERBS.has(act[2] ?? '')) return { kind: 'do', line, who: act[1] ?? '', verb: act[2] as Verb }
  return undefined
}

function accountOf(local = '', roles = ''): Account {
  return { local, roles: roles === '' ? [] : roles.split(',') }
}

function logicalLines(text: string): { line: number; content: string }[] {
  const lines: { line: number; content: string }[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    const last = lines.at(-1)
    if (raw.trim() === '') continue
    if (/^\s/.test(raw) && last && !last.content.startsWith('#')) last.content += `\n${raw.trimEnd()}`
    else lines.push({ line: index + 1, content: raw.trim() })
  }
  return lines
}

/** Expands the escapes of `>>` to bytes. */
export function expandEscapes(text: string): Buffer {
  const repeated = text.replace(/\{(\d+)\*([^}]*)\}/g, (_, count: string, part: string) => part.repeat(Number(count)))
  const encoded = repeated.replace(/\{base64:([^}]*)\}/g, (_, part: string) => withoutEscapes(part).toString('base64'))
  return withoutEscapes(encoded)
}

function withoutEscapes(text: string): Buffer {
  const parts: Buffer[] = []
  for (const [part] of text.matchAll(/\\x[0-9a-fA-F]{2}|\\[nrt0\\]|[^\\]+|\\/g)) {
    if (part.startsWith('\\x')) parts.push(Buffer.from([Number.parseInt(part.slice(2), 16)]))
    else parts.push(Buffer.from(SIMPLE[part] ?? part))
  }
  return Buffer.concat(parts)
}

const SIMPLE: Readonly<Record<string, string>> = { '\\n': '\n', '\\r': '\r', '\\t': '\t', '\\0': '\0', '\\\\': '\\' }
