/** Runs the conversations of `test/scenarios/` against a real server, over TCP and WebSocket. Their form: scenario/parse.ts. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Connection, type ConnectionKind, show, type TransportKind } from './scenario/connection.ts'
import { type Captures, filled, mismatch, parsePattern } from './scenario/match.ts'
import { type Account, expandEscapes, parseScenario, type Scenario, type Step } from './scenario/parse.ts'
import { startServer, type TestServer, type TestServerOptions } from './server.ts'

const SCENARIOS = join(import.meta.dirname, '../scenarios')
const PASSWORD = 'correct horse'
const SECRET = 'a secret of components'

/** Declares one test per file of `test/scenarios/<folder>/` and transport, on one server for all of them. */
export function runScenarios(folder: string, options: Omit<TestServerOptions, 'domain'> = {}): void {
  let server: TestServer | undefined
  let runs = 0
  beforeAll(async () => {
    server = await startServer({ ...options, domain: 'test' })
  })
  afterAll(async () => {
    // A server that does not close cleanly is a fault of every scenario.
    expect(await server?.stop()).toBe(0)
  })
  const files = readdirSync(join(SCENARIOS, folder)).filter((name) => name.endsWith('.txt'))
  if (files.length === 0) throw new Error(`no scenarios in ${folder}`)
  describe.each(['tcp', 'websocket'] as const)('%s', (transport) => {
    for (const name of files.sort()) {
      const file = `${folder}/${name}`
      const scenario = parseFile(file)
      if (scenario.only !== undefined && scenario.only !== transport) continue
      it(`${name}: ${scenario.title}`, async () => {
        if (!server) throw new Error('no server')
        await new Run(server, transport, file, ++runs).play(scenario)
      })
    }
  })
}

function parseFile(file: string): Scenario {
  try {
    return parseScenario(readFileSync(join(SCENARIOS, file), 'utf8'))
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

/** One scenario over one transport. */
class Run {
  readonly #server: TestServer
  readonly #transport: TransportKind
  readonly #file: string
  readonly #number: number
  readonly #connections = new Map<string, Connection>()
  /** Those that are logged in, and so can be asked for a round trip. */
  readonly #bound = new Set<string>()
  readonly #locals = new Set<string>()
  /** Domains of components, as they are written and as they are in this run. */
  readonly #domains = new Map<string, string>()
  readonly #captures: Captures

  constructor(server: TestServer, transport: TransportKind, file: string, number: number) {
    this.#server = server
    this.#transport = transport
    this.#file = file
    this.#number = number
    this.#captures = new Map([['run', String(number)]])
  }

  async play(scenario: Scenario): Promise<void> {
    try {
      for (const step of scenario.steps) await this.#step(step)
    } finally {
      for (const connection of this.#connections.values()) connection.destroy()
    }
  }

  async #step(step: Step): Promise<void> {
    try {
      await this.#perform(step)
    } catch (error) {
      const transcript = step.kind === 'account' ? [] : (this.#connections.get(step.who)?.transcript ?? [])
      const why = error instanceof Error ? error.message : String(error)
      throw new Error(`${this.#file}:${step.line}: ${why}\n\n${transcript.slice(-12).join('\n')}`, { cause: error })
    }
  }

  async #perform(step: Step): Promise<void> {
    switch (step.kind) {
      case 'account':
        return this.#ensureAccount(step.account)
      case 'client': {
        const local = await this.#ensureAccount(step.account).then(() => this.#rename(step.account.local))
        const connection = await this.#connect(step.who)
        await connection.login(local, PASSWORD, step.resource)
        this.#bound.add(step.who)
        return
      }
      case 'raw':
        await this.#connect(step.who)
        return
      case 'component':
        return this.#component(step.who, step.domain)
      case 'send': {
        const connection = this.#who(step)
        const filled = this.#fill(step.text)
        const text = connection.kind === 'websocket' ? withNamespace(filled) : filled
        return connection.send(step.isEscaped ? expandEscapes(text) : text)
      }
      case 'expect':
        return this.#expect(this.#who(step), step.pattern, step.order)
      case 'nothing':
        return this.#expectNothing(step.who)
      case 'do':
        return this.#act(this.#who(step), step.verb)
    }
  }

  async #act(connection: Connection, verb: (Step & { kind: 'do' })['verb']): Promise<void> {
    switch (verb) {
      case 'opens':
        return connection.opens()
      case 'secures':
        return connection.secures()
      case 'starttls':
        return connection.starttls()
      case 'closes':
        return connection.closes()
      case 'drops':
        return connection.destroy()
      case 'closed':
        return connection.closed()
      case 'gone':
        return connection.gone()
    }
  }

  async #expect(connection: Connection, text: string, order: 'next' | 'any'): Promise<void> {
    const { source, kind } = asPattern(this.#fill(text))
    const pattern = parsePattern(source)
    if (order === 'any') {
      await connection.find((tree) => mismatch(pattern, tree, this.#captures) === undefined)
      return
    }
    const what = await connection.next()
    const why = what.kind === kind ? mismatch(pattern, what.tree, this.#captures) : `no ${kind}`
    if (why !== undefined) throw new Error(`${why}\n  received ${show(what)}\n  expected ${this.#fill(text)}`)
  }

  /** Everything sent so far by anyone has been worked off, and nothing came of it here. */
  async #expectNothing(who: string): Promise<void> {
    const others = [...this.#bound].filter((name) => name !== who)
    for (const name of [...others, who]) {
      const connection = this.#connections.get(name)
      if (connection && !connection.isClosed && this.#bound.has(name)) await connection.sync()
    }
    const waiting = this.#connections.get(who)?.waiting ?? []
    if (waiting.length > 0) throw new Error(`nothing was expected, but ${waiting.map(show).join('\n')}`)
  }

  async #ensureAccount(account: Account): Promise<void> {
    if (this.#locals.has(account.local)) return
    this.#locals.add(account.local)
    this.#captures.set(account.local, this.#rename(account.local))
    await this.#server.addUser(`${this.#rename(account.local)}@${this.#server.domain}`, PASSWORD, account.roles)
  }

  async #component(who: string, domain: string): Promise<void> {
    const renamed = domain.replace(/^[^.]+/, (label) => this.#rename(label))
    this.#domains.set(domain, renamed)
    await this.#server.addComponent(renamed, SECRET)
    const connection = await this.#connect(who, 'component')
    await connection.handshake(renamed, SECRET)
    this.#bound.add(who)
  }

  async #connect(who: string, kind: ConnectionKind = this.#transport): Promise<Connection> {
    const connection = await Connection.open(this.#server, kind)
    this.#connections.set(who, connection)
    return connection
  }

  #who(step: Step & { who: string }): Connection {
    const connection = this.#connections.get(step.who)
    if (!connection) throw new Error(`${step.who} is not connected`)
    return connection
  }

  #rename(local: string): string {
    return `${local}-${this.#number}`
  }

  /** The text with the accounts' names of this run, and with what was captured. */
  #fill(text: string): string {
    const accounts = text.replace(/([\w.-]+)@test\b/g, (whole, local: string) =>
      this.#locals.has(local) ? `${this.#rename(local)}@test` : whole,
    )
    const renamed = [...this.#domains].reduce((all, [domain, own]) => all.replaceAll(domain, own), accounts)
    return filled(renamed, this.#captures).replace(/\{in (\d+) s\}/g, (_, seconds: string) => timeIn(Number(seconds)))
  }
}

/** XEP-0082 §3.2. */
function timeIn(seconds: number): string {
  return new Date(Date.now() + seconds * 1000).toISOString()
}

/** Stanzas are written as over TCP; a WebSocket message states the namespace itself. RFC 7395 §3.3.3. */
function withNamespace(text: string): string {
  return text.replace(/^<(message|presence|iq)(?=[\s/>])(?![^>]*\sxmlns=)/, "<$1 xmlns='jabber:client'")
}

/** A header is written as it comes, without its end. */
function asPattern(text: string): { source: string; kind: 'header' | 'element' } {
  if (!/^<(stream:stream|open)\b/.test(text)) return { source: text, kind: 'element' }
  return { source: text.endsWith('/>') ? text : text.replace(/>$/, '>{any}</stream:stream>'), kind: 'header' }
}
