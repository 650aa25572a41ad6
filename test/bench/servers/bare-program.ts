/** The bare server's process: `bare-program.ts FOLDER PORT`. See bare.ts. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createServer, type TLSSocket } from 'node:tls'
import { Worker } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { attributeOf, FrameReader } from '../load/frames.ts'
import { type BareAccounts, BareLogin } from './bare-scram.ts'
import type { BarePublish } from './bare-worker.ts'
import { certificateIn } from './certificate.ts'
import { DOMAIN, PUBSUB } from './server.ts'

const [folder = '.', port = '0'] = process.argv.slice(2)
const file = join(folder, 'bare.sqlite')
const accounts: BareAccounts = JSON.parse(readFileSync(join(folder, 'accounts.json'), 'utf8'))
const HEADER = `<?xml version='1.0'?><stream:stream from='${DOMAIN}' id='1' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`
const SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'
const LOGIN = `<stream:features><mechanisms xmlns='${SASL}'><mechanism>SCRAM-SHA-1</mechanism></mechanisms></stream:features>`
const BIND = `<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>`
const PUBSUB_XMLNS = 'http://jabber.org/protocol/pubsub'
const PAGE = 50

const connections = new Map<string, Connection>()
const nodes = new Map<string, { readonly max: number; readonly subscribers: Connection[] }>()

class Connection {
  readonly #socket: TLSSocket
  #out = ''
  #login: BareLogin | undefined
  #isLoggedIn = false
  jid = ''

  constructor(socket: TLSSocket) {
    this.#socket = socket
    const reader = new FrameReader((frame) => this.#take(frame))
    socket.on('data', (chunk: Buffer) => reader.write(chunk))
    socket.on('error', () => socket.destroy())
    socket.on('close', () => connections.delete(this.jid))
  }

  write(text: string): void {
    if (this.#out === '' && dirty.push(this) === 1) setImmediate(flush)
    this.#out += text
  }

  flush(): void {
    this.#socket.write(this.#out, 'latin1')
    this.#out = ''
  }

  #take(frame: string): void {
    if (frame.startsWith('<iq')) this.#iq(frame)
    else if (frame.startsWith('<message')) {
      const to = connections.get(attributeOf(frame, 'to') ?? '')
      to?.write(`<message from='${this.jid}'${frame.slice('<message'.length)}`)
    } else if (frame.startsWith('<presence')) this.write(`<presence from='${this.jid}' to='${this.jid}'/>`)
    else if (frame.startsWith('<stream:stream')) this.write(HEADER + (this.#isLoggedIn ? BIND : LOGIN))
    else if (frame.startsWith('<auth')) {
      this.#login = new BareLogin(accounts, contentOf(frame))
      this.write(`<challenge xmlns='${SASL}'>${btoa(this.#login.challenge)}</challenge>`)
    } else if (frame.startsWith('<response')) {
      this.write(`<success xmlns='${SASL}'>${btoa(this.#login?.finish(contentOf(frame)) ?? '')}</success>`)
      this.#isLoggedIn = true
    } else if (frame.startsWith('</stream')) this.#socket.end('</stream:stream>')
  }

  #iq(frame: string): void {
    const id = attributeOf(frame, 'id') ?? ''
    if (attributeOf(frame, 'to') === PUBSUB) this.#pubsub(id, frame)
    else if (frame.includes('<bind')) {
      this.jid = `${this.#login?.user}@${DOMAIN}/bench`
      connections.set(this.jid, this)
      this.result(id, '', `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>${this.jid}</jid></bind>`)
    } else this.result(id, DOMAIN, '')
  }

  #pubsub(id: string, frame: string): void {
    const nodeId = valueAfter(frame, `node='`)
    const node = nodes.get(nodeId)
    if (frame.includes('<publish ')) {
      const item = frame.slice(frame.indexOf('<item '), frame.lastIndexOf('</publish>'))
      const itemId = valueAfter(item, `id='`)
      publish([nodeId, itemId, item, node?.max ?? Number.POSITIVE_INFINITY], () => {
        this.result(
          id,
          PUBSUB,
          `<pubsub xmlns='${PUBSUB_XMLNS}'><publish node='${nodeId}'><item id='${itemId}'/></publish></pubsub>`,
        )
        const event = `<event xmlns='${PUBSUB_XMLNS}#event'><items node='${nodeId}'>${item}</items></event></message>`
        for (const to of node?.subscribers ?? []) to.write(`<message from='${PUBSUB}' to='${to.jid}'>${event}`)
      })
    } else if (frame.includes('<items ')) {
      const itemId = valueAfter(frame, `<item id='`)
      const items =
        itemId === '' ? pageOf(nodeId, Number(/<after>(\d+)</.exec(frame)?.[1] ?? 0)) : itemOf(nodeId, itemId)
      this.result(id, PUBSUB, `<pubsub xmlns='${PUBSUB_XMLNS}'>${items}</pubsub>`)
    } else {
      if (frame.includes('<create ')) {
        const max = Number(/max_items'><value>(\d+)</.exec(frame)?.[1] ?? Number.POSITIVE_INFINITY)
        nodes.set(nodeId, { max, subscribers: [] })
      } else node?.subscribers.push(this)
      this.result(id, PUBSUB, '')
    }
  }

  result(id: string, from: string, payload: string): void {
    this.write(`<iq type='result' id='${id}' from='${from}' to='${this.jid}'>${payload}</iq>`)
  }
}

let dirty: Connection[] = []
function flush(): void {
  const due = dirty
  dirty = []
  for (const each of due) each.flush()
}

const worker = new Worker(new URL('bare-worker.ts', import.meta.url), { workerData: file })
let batch: BarePublish[] = []
const waiting: (() => void)[] = []
function publish(item: BarePublish, done: () => void): void {
  if (batch.push(item) === 1) setImmediate(post)
  waiting.push(done)
}
function post(): void {
  worker.postMessage(batch)
  batch = []
}
worker.on('message', (count: number) => {
  for (const done of waiting.splice(0, count)) done()
})
worker.once('message', () => {
  const { cert, key } = certificateIn(folder)
  const options = { cert: readFileSync(cert), key: readFileSync(key), ALPNProtocols: ['xmpp-client'], noDelay: true }
  createServer(options, (socket) => void new Connection(socket)).listen(Number(port), '127.0.0.1')
})

/** Undefined until there is something to read. */
let reader: ReturnType<typeof openReader> | undefined
function openReader() {
  const database = new Database(file, { readonly: true })
  return {
    one: database.prepare<[string, string], { xml: string }>('SELECT xml FROM item WHERE node = ? AND id = ?'),
    page: database.prepare<[string, number], { seq: number; xml: string }>(
      `SELECT seq, xml FROM item WHERE node = ? AND seq > ? ORDER BY seq LIMIT ${PAGE}`,
    ),
  }
}

function itemOf(nodeId: string, itemId: string): string {
  reader ??= openReader()
  return `<items node='${nodeId}'>${reader.one.get(nodeId, itemId)?.xml ?? ''}</items>`
}

function pageOf(nodeId: string, after: number): string {
  reader ??= openReader()
  const rows = reader.page.all(nodeId, after)
  const last = rows.at(-1)?.seq ?? 0
  const items = rows.map(({ xml }) => xml).join('')
  return `<items node='${nodeId}'>${items}</items><set xmlns='http://jabber.org/protocol/rsm'><last>${last}</last></set>`
}

function contentOf(frame: string): string {
  return atob(frame.slice(frame.indexOf('>') + 1, frame.lastIndexOf('<')))
}

/** Empty when it is not there. */
function valueAfter(text: string, mark: string): string {
  const at = text.indexOf(mark)
  return at < 0 ? '' : text.slice(at + mark.length, text.indexOf(`'`, at + mark.length))
}

process.once('SIGTERM', () => process.exit(0))
