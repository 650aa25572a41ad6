/** Delivery of kept messages against storage that answers when told to: nothing is lost, nothing comes twice. XEP-0160 §2. */

import { beforeEach, expect, test } from 'vitest'
import { OfflineService } from '../../../modules/offline/service.ts'
import { offlineStore as store } from '../../../modules/offline/store.sqlite.ts'
import type { Letter, OfflineStore, StoredLetter } from '../../../modules/offline/store.ts'
import { createLogger } from '../../../server/log.ts'
import type { RawStanza, SessionHandle, Storage } from '../../../server/module/api.ts'
import { parseJid } from '../../../server/stanza/jid.ts'
import { type Element, el } from '../../../server/xml/element.ts'

const OWNER = 'b@test'
const from = parseJid('a@test/desk')
const to = parseJid(OWNER)

/** Operations wait in order until `step` lets the next one happen. */
class Disk {
  readonly #waiting: (() => void)[] = []
  letters: StoredLetter[] = []
  #nextId = 1

  readonly run: Storage['run'] = (operation, args, applied) => {
    const { promise, resolve } = Promise.withResolvers<Awaited<ReturnType<typeof operation.run>>>()
    this.#waiting.push(() => {
      // The result of the operation that `#perform` stands for.
      const result = this.#perform(operation.name, args) as Awaited<ReturnType<typeof operation.run>>
      applied?.(result)
      resolve(result)
    })
    return promise
  }

  /** Lets so many operations happen, each with all that follows from it. */
  async step(count = 1): Promise<void> {
    for (let done = 0; done < count; done++) {
      const next = this.#waiting.shift()
      if (!next) throw new Error('nothing waits')
      next()
      await settle()
    }
  }

  get waiting(): number {
    return this.#waiting.length
  }

  #perform(name: string, args: unknown): unknown {
    switch (name) {
      case store.keep.name:
        return this.#put((args as Parameters<OfflineStore['keep']['run']>[1]).letter)
      case store.keepAll.name:
        for (const letter of (args as Parameters<OfflineStore['keepAll']['run']>[1]).letters) this.#put(letter)
        return { dropped: 0 }
      case store.readPage.name:
        return [...this.letters]
      default: {
        const { upTo } = args as Parameters<OfflineStore['forget']['run']>[1]
        this.letters = this.letters.filter(({ id }) => id > upTo)
        return undefined
      }
    }
  }

  #put({ sender, scope, type, xml }: Letter): void {
    this.letters.push({ id: this.#nextId++, sender, scope, type, storedAt: 0, xml })
  }
}

/** Everything that was resolved has been reacted to. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

class Client {
  presence: Element | undefined = el('presence')
  priority = 0
  readonly bareJid = OWNER
  readonly got: string[] = []
  isGone = false
  // As much of a session as the service looks at.
  readonly handle = this as unknown as SessionHandle
}

let disk: Disk
let clients: Client[]
let service: OfflineService
beforeEach(() => {
  disk = new Disk()
  clients = []
  const clientOf = (session: SessionHandle) => clients.find(({ handle }) => handle === session)
  const deliver = (session: SessionHandle, stanza: Element | RawStanza) => {
    const client = clientOf(session)
    if (!client || client.isGone) return false
    client.got.push(/id="([^"]*)"/.exec((stanza as RawStanza).xml)?.[1] ?? '')
    return true
  }
  service = new OfflineService({
    ctx: {
      domain: 'test',
      // As much of storage and sessions as the service uses.
      storage: { run: disk.run, settled: () => undefined, submitted: 0 } as unknown as Storage,
      sessions: {
        of: () => clients.map(({ handle }) => handle),
        get: () => undefined,
        all: () => [],
        size: 0,
        close: () => {},
        deliver,
        catchUp: (session) => ({ deliver: (stanza) => deliver(session, stanza), done: () => {} }),
      },
    },
    store,
    log: createLogger('silent'),
    limits: () => ({ messages: 10, perSender: 10, chars: 1000 }),
  })
})

const message = (id: string) => el('message', { id, to: OWNER }, el('body', {}, 'x'))
function comes(): Client {
  const client = new Client()
  clients.push(client)
  return client
}

test('what reaches the disk after its receiver came is delivered at once', async () => {
  const kept = service.keep(message('1'), from, to)
  const client = comes()
  const served = service.serve(client.handle)
  // The write, then the look that its commit asks for, whichever read comes first.
  while (disk.waiting > 0) await disk.step()
  await kept
  await served
  expect(client.got).toEqual(['1'])
  expect(disk.letters).toEqual([])
})

test('a write that commits while nothing is left to read is looked for again', async () => {
  const client = comes()
  const served = service.serve(client.handle)
  const kept = service.keep(message('1'), from, to)
  while (disk.waiting > 0) await disk.step()
  await kept
  await served
  expect(client.got).toEqual(['1'])
  expect(disk.letters).toEqual([])
})

test('two resources that come together share one delivery', async () => {
  const kept = service.keep(message('1'), from, to)
  await disk.step()
  await kept
  const [first, second] = [comes(), comes()]
  const served = [service.serve(first.handle), service.serve(second.handle)]
  while (disk.waiting > 0) await disk.step()
  await Promise.all(served)
  expect([...first.got, ...second.got]).toEqual(['1'])
})

test('what a session that ends did not take waits for the next one', async () => {
  for (const id of ['1', '2']) void service.keep(message(id), from, to)
  await disk.step(2)
  const first = comes()
  first.isGone = true
  const served = service.serve(first.handle)
  first.presence = undefined
  while (disk.waiting > 0) await disk.step()
  await served
  expect(disk.letters).toHaveLength(2)
  clients = []
  const second = comes()
  const again = service.serve(second.handle)
  while (disk.waiting > 0) await disk.step()
  await again
  expect(second.got).toEqual(['1', '2'])
  expect(disk.letters).toEqual([])
})

test('a resource that came meanwhile gets what the one before it left', async () => {
  const kept = service.keep(message('1'), from, to)
  await disk.step()
  await kept
  const [first, second] = [comes(), comes()]
  const served = [service.serve(first.handle), service.serve(second.handle)]
  first.isGone = true
  first.presence = undefined
  while (disk.waiting > 0) await disk.step()
  await Promise.all(served)
  expect(second.got).toEqual(['1'])
  expect(disk.letters).toEqual([])
})

test('notifications of one turn are one write', async () => {
  for (const id of ['1', '2', '3']) {
    const xml = `<message id="${id}"/>`
    void service.keep({ name: 'message', to, type: undefined, group: 'n', xml }, parseJid('pubsub.test'), to)
  }
  await settle()
  expect(disk.waiting).toBe(1)
  while (disk.waiting > 0) await disk.step()
  expect(disk.letters.map(({ xml }) => xml)).toEqual(['<message id="1"/>', '<message id="2"/>', '<message id="3"/>'])
})
