/** A scenario's own client: TCP with STARTTLS or WebSocket, PLAIN, bind; it shares nothing with the server's code. */

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { connect, type Socket } from 'node:net'
import { StringDecoder } from 'node:string_decoder'
import { connect as connectTls } from 'node:tls'
import { WebSocket } from 'ws'
import type { TestServer } from '../server.ts'
import { type Captures, mismatch, parsePattern } from './match.ts'
import { parseTree, type Received, StreamReader, showTree, type Tree } from './tree.ts'

export type TransportKind = 'tcp' | 'websocket'
/** A component's is TCP without TLS, with a namespace of its own. XEP-0114 §3. */
export type ConnectionKind = TransportKind | 'component'

const WAIT_MS = 10_000
const NS_STREAM = 'http://etherx.jabber.org/streams'
const NS_COMPONENT = 'jabber:component:accept'
const NS_FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing'

/** What is under the stream. */
interface Wire {
  send(data: string | Buffer): void
  startTls(): Promise<void>
  /** A new document follows. */
  restart(): void
  destroy(): void
}

export class Connection {
  readonly kind: ConnectionKind
  readonly #domain: string
  #wire: Wire | undefined
  readonly #inbox: Received[] = []
  /** All that was said, for the message of a failure. */
  readonly transcript: string[] = []
  /** Our side of the stream; nothing sent after that is answered. RFC 6120 §4.4 */
  #hasClosed = false
  #isClosed = false
  #failure: Error | undefined
  #wake: () => void = () => {}
  #syncs = 0
  /** A component's domain. */
  #self: string | undefined

  private constructor(kind: ConnectionKind, domain: string) {
    this.kind = kind
    this.#domain = domain
  }

  /** Connects and says nothing. */
  static async open(server: TestServer, kind: ConnectionKind): Promise<Connection> {
    const connection = new Connection(kind, server.domain)
    const events: WireEvents = {
      received: (what) => connection.#receive(what),
      closed: () => connection.#end(undefined),
      failed: (error) => connection.#end(error),
    }
    connection.#wire = kind === 'websocket' ? await webSocketWire(server, events) : await tcpWire(server, events, kind)
    return connection
  }

  send(data: string | Buffer): void {
    this.transcript.push(`> ${data.length > 2000 ? `${data.length} bytes` : data.toString()}`)
    this.#wire?.send(data)
  }

  /** Sends the stream header of the transport and takes its answer; the features are received next. */
  async opens(): Promise<void> {
    this.#wire?.restart()
    if (this.kind !== 'websocket') {
      this.send(
        `<?xml version='1.0'?><stream:stream to='${this.#domain}' version='1.0' xmlns='jabber:client' xmlns:stream='${NS_STREAM}'>`,
      )
    } else {
      this.send(`<open xmlns='${NS_FRAMING}' to='${this.#domain}' version='1.0'/>`)
    }
    const header = await this.next()
    if (header.kind !== 'header') throw new Error(`no stream header but ${show(header)}`)
  }

  /** A header, and TLS where the transport has none yet; the features of the secured stream are received next. */
  async secures(): Promise<void> {
    await this.opens()
    if (this.kind === 'websocket') return
    await this.#expect(
      '<stream:features>...<starttls xmlns="urn:ietf:params:xml:ns:xmpp-tls"/></stream:features>',
      true,
    )
    await this.starttls()
    await this.opens()
  }

  async starttls(): Promise<void> {
    this.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    await this.#expect("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    await this.#wire?.startTls()
  }

  /** Our closing tag. */
  closes(): void {
    this.#hasClosed = true
    this.send(this.kind !== 'websocket' ? '</stream:stream>' : `<close xmlns='${NS_FRAMING}'/>`)
  }

  destroy(): void {
    this.#wire?.destroy()
  }

  /** From a fresh connection to a bound resource. */
  async login(local: string, password: string, resource: string | undefined): Promise<void> {
    await this.secures()
    await this.#expect(
      '<stream:features>...<mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl">...</mechanisms></stream:features>',
    )
    const response = Buffer.from(`\0${local}\0${password}`).toString('base64')
    this.send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${response}</auth>`)
    await this.#expect('<success xmlns="urn:ietf:params:xml:ns:xmpp-sasl">{any}</success>')
    await this.opens()
    await this.#expect(
      '<stream:features>...<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind">{any}</bind></stream:features>',
    )
    const wanted = resource === undefined ? '' : `<resource>${resource}</resource>`
    this.send(stanza(`<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>${wanted}</bind></iq>`))
    await this.#expect(
      '<iq type="result" id="bind"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><jid>{any}</jid></bind></iq>',
    )
  }

  /** From a fresh connection to an open component stream. XEP-0114 §3. */
  async handshake(domain: string, secret: string): Promise<void> {
    this.#self = domain
    this.send(`<stream:stream xmlns='${NS_COMPONENT}' xmlns:stream='${NS_STREAM}' to='${domain}'>`)
    const header = await this.next()
    const id = header.kind === 'header' ? header.tree.attributes.get('id') : undefined
    const proof = createHash('sha1').update(`${id}${secret}`).digest('hex')
    this.send(`<handshake>${proof}</handshake>`)
    await this.#expect('<handshake/>')
  }

  /** The next thing received. @throws Error when the connection ends before, or nothing comes in time */
  async next(): Promise<Received> {
    await this.#until(() => this.#inbox.length > 0)
    const first = this.#inbox.shift()
    if (!first) throw new Error('the connection was closed')
    return first
  }

  /** The first element that `isWanted`, among those received and those to come; what stands before it stays. */
  async find(isWanted: (tree: Tree) => boolean): Promise<void> {
    const at = () => this.#inbox.findIndex((what) => what.kind === 'element' && isWanted(what.tree))
    await this.#until(() => at() >= 0)
    if (at() < 0) throw new Error(`not among what was received: ${this.#inbox.map(show).join('\n')}`)
    this.#inbox.splice(at(), 1)
  }

  /** The same for one like this pattern. */
  async receives(pattern: string, captures: Captures = new Map()): Promise<void> {
    const wanted = parsePattern(pattern)
    await this.find((tree) => mismatch(wanted, tree, captures) === undefined)
  }

  /** A round trip to the server and back: all that was sent before has been worked off. */
  async sync(): Promise<void> {
    if (this.#hasClosed) return await this.#until(() => this.#isClosed)
    const id = `sync-${++this.#syncs}`
    const from = this.#self === undefined ? '' : ` from='${this.#self}'`
    const ping = `<iq type='get' id='${id}'${from} to='${this.#domain}'><ping xmlns='urn:xmpp:ping'/></iq>`
    this.#wire?.send(this.kind === 'component' ? ping : stanza(ping))
    await this.find((tree) => tree.local === 'iq' && tree.attributes.get('id') === id)
  }

  /** What has been received and not been taken. */
  get waiting(): readonly Received[] {
    return this.#inbox
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** The peer's closing tag, then the end of the connection. */
  async closed(): Promise<void> {
    if (!this.#isClosed || this.#inbox.length > 0) {
      const end = await this.next()
      if (end.kind !== 'end') throw new Error(`not closed, but ${show(end)}`)
    }
    // RFC 6120 §4.4, RFC 7395 §3.6: we answer in kind, and the peer may then close the connection.
    if (!this.#isClosed) this.closes()
    await this.#until(() => this.#isClosed)
  }

  /** The end of the connection, with nothing before it. */
  async gone(): Promise<void> {
    await this.#until(() => this.#isClosed || this.#inbox.length > 0)
    const first = this.#inbox[0]
    if (first) throw new Error(`not gone, but ${show(first)}`)
  }

  async #expect(pattern: string, isPrefix = false): Promise<void> {
    const what = await this.next()
    const why = what.kind === 'element' ? mismatch(parsePattern(pattern), what.tree, new Map()) : 'no element'
    if (why !== undefined && !isPrefix) throw new Error(`${why}\n  received ${show(what)}`)
  }

  #receive(what: Received): void {
    this.transcript.push(`< ${show(what)}`)
    this.#inbox.push(what)
    this.#wake()
  }

  #end(error: Error | undefined): void {
    this.#isClosed = true
    this.#failure ??= error
    this.#wake()
  }

  async #until(condition: () => boolean): Promise<void> {
    const deadline = Date.now() + WAIT_MS
    while (!condition() && !this.#isClosed) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      const timer = setTimeout(resolve, deadline - Date.now())
      await promise
      clearTimeout(timer)
      if (Date.now() >= deadline && !condition()) throw new Error(`nothing came within ${WAIT_MS} ms`)
    }
    if (this.#failure && !condition()) throw this.#failure
  }
}

/** A stanza as both transports take it: a WebSocket message states its namespace. */
function stanza(text: string): string {
  return text.replace(/^<(\w+)/, "<$1 xmlns='jabber:client'")
}

export function show(what: Received): string {
  if (what.kind === 'end') return 'the closing tag'
  return what.kind === 'header' ? `the header ${showTree(what.tree)}` : showTree(what.tree)
}

interface WireEvents {
  received(what: Received): void
  closed(): void
  failed(error: Error): void
}

async function tcpWire(server: TestServer, events: WireEvents, kind: 'tcp' | 'component'): Promise<Wire> {
  const port = kind === 'tcp' ? server.ports.c2s : server.ports.component
  if (port === undefined) throw new Error('the server takes no components: set component.port')
  const plain = connect(port, server.host)
  await once(plain, 'connect')
  const received = (what: Received): void => events.received(kind === 'tcp' ? what : asOfClients(what))
  let reader = new StreamReader(received)
  let socket: Socket = plain
  const attach = (next: Socket) => {
    socket = next
    const decoder = new StringDecoder('utf8')
    next.on('data', (chunk: Buffer) => {
      try {
        reader.write(decoder.write(chunk))
      } catch (error) {
        events.failed(error instanceof Error ? error : new Error(String(error)))
        next.destroy()
      }
    })
    // A reset is an end too: scenarios expect to be thrown out.
    next.on('error', () => next.destroy())
    next.on('close', () => {
      if (socket === next) events.closed()
    })
  }
  attach(plain)
  return {
    send: (data) => socket.write(data),
    restart: () => {
      reader = new StreamReader(received)
    },
    destroy: () => socket.destroy(),
    startTls: async () => {
      plain.removeAllListeners('data')
      const secure = connectTls({ socket: plain, ca: readFileSync(server.caFile), servername: server.domain })
      attach(secure)
      await once(secure, 'secureConnect')
    },
  }
}

/** A component's stanzas are those of clients but for their namespace. */
function asOfClients(what: Received): Received {
  const moved = (tree: Tree): Tree => ({
    ...tree,
    ns: tree.ns === NS_COMPONENT ? 'jabber:client' : tree.ns,
    children: tree.children.map((child) => (typeof child === 'string' ? child : moved(child))),
  })
  return what.kind === 'element' ? { kind: 'element', tree: moved(what.tree) } : what
}

async function webSocketWire(server: TestServer, events: WireEvents): Promise<Wire> {
  const socket = new WebSocket(`wss://${server.host}:${server.ports.https}/xmpp-websocket`, 'xmpp', {
    // The certificate is the domain's, wherever the address leads.
    agent: new Agent({ ca: readFileSync(server.caFile), servername: server.domain }),
  })
  socket.on('message', (data: Buffer) => {
    try {
      const tree = parseTree(data.toString())
      const isFraming = tree.ns === NS_FRAMING
      if (isFraming && tree.local === 'open') events.received({ kind: 'header', tree })
      else if (isFraming && tree.local === 'close') events.received({ kind: 'end' })
      else events.received({ kind: 'element', tree })
    } catch (error) {
      events.failed(error instanceof Error ? error : new Error(String(error)))
      socket.terminate()
    }
  })
  socket.on('close', () => events.closed())
  socket.on('error', () => socket.terminate())
  await once(socket, 'open')
  return {
    // Text frames; what is no UTF-8 can be sent over TCP alone.
    send: (data) => socket.send(data, { binary: false }),
    restart: () => {},
    destroy: () => socket.terminate(),
    startTls: async () => {
      throw new Error('a WebSocket has its TLS already')
    },
  }
}

function once(emitter: NodeJS.EventEmitter, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    emitter.once(event, () => resolve())
    emitter.once('error', reject)
    emitter.once('close', () => reject(new Error(`closed before ${event}`)))
  })
}
