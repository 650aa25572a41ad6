/** `sacm backup` and `sacm restore`: under twenty publishers, without a server, and everything that may be in the way. */

import { execFile } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mountSmall, unmountAll } from '../support/mounts.ts'
import { expectAllKept, Publishers } from '../support/publishers.ts'
import { Connection } from '../support/scenario/connection.ts'
import { showTree } from '../support/scenario/tree.ts'
import { SACM, startServer, type TestServer } from '../support/server.ts'

const NS_PUBSUB = 'http://jabber.org/protocol/pubsub'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sacm-backup-'))
})
afterAll(() => {
  unmountAll()
  rmSync(folder, { recursive: true, force: true })
})

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function sacm(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) =>
    execFile(process.execPath, [SACM, ...args], { timeout: 60_000 }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    ),
  )
}

const modeOf = (file: string): number => statSync(file).mode & 0o777

/** Every file below, with its content; not what belongs to a process. */
function contentOf(dataDir: string): Record<string, string> {
  const files = readdirSync(dataDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return Object.fromEntries(
    files
      .map((entry) => join(entry.parentPath, entry.name).slice(dataDir.length + 1))
      .filter((path) => !/^(?:sacm\.sqlite|lock|replaced-)/.test(path))
      .map((path) => [path, readFileSync(join(dataDir, path), 'hex')]),
  )
}

test('under twenty publishers: all that was acknowledged before it began is in it, and publishing goes on', async () => {
  const set = { 'pubsub.create': 'anyone' }
  const server = await startServer({ dataDir: join(folder, 'live'), set })
  const publishers = new Publishers()
  let restored: TestServer | undefined
  try {
    await publishers.settle(server)
    const file = join(folder, 'live.backup')
    let before = publishers.mark()
    await publishers.publishUntilDead(server, 500, async () => {
      before = publishers.mark()
      const acknowledged = publishers.acknowledged
      const { code, stdout, stderr } = await sacm('backup', file, '--data-dir', server.dataDir, '--json')
      expect(code, stderr).toBe(0)
      expect(JSON.parse(stdout)).toMatchObject({ file, bytes: statSync(file).size, files: expect.any(Number) })
      expect(publishers.acknowledged).toBeGreaterThan(acknowledged)
      await server.kill()
    })
    expect(modeOf(file)).toBe(0o600)
    expect(existsSync(`${file}.partial`)).toBe(false)
    const dataDir = join(folder, 'restored')
    expect(await sacm('restore', file, '--data-dir', dataDir)).toMatchObject({ code: 0 })
    expect(contentOf(dataDir)).toEqual(contentOf(server.dataDir))
    for (const name of ['sacm.sqlite', 'certs/ca.key', 'admin-password'])
      expect(modeOf(join(dataDir, name)), name).toBe(0o600)
    restored = await startServer({ dataDir, set })
    expect(await publishers.faults(restored, before)).toEqual([])
    // It lives: what comes now is kept too.
    const others = new Publishers(2, 5, 'later')
    await others.settle(restored)
    await others.publishUntilDead(restored, 20, () => restored?.kill() ?? Promise.resolve())
    restored = await startServer({ dataDir, set })
    await expectAllKept(others, restored, 'restored')
  } finally {
    await publishers.close()
    await restored?.stop()
    await server.stop()
  }
})

test('what a client knew of the time after the backup counts for nothing after the restore', async () => {
  const server = await startServer({ dataDir: join(folder, 'ahead'), domain: 'test' })
  await server.addUser('alice@test', 'pw', ['publisher'])
  const file = join(folder, 'ahead.backup')
  const before = await Client.login(server)
  await before.ask('set', 'pubsub.test', `<pubsub xmlns='${NS_PUBSUB}'><create node='n'/></pubsub>`)
  await before.publish('1')
  await before.addContact('bob')
  expect(await sacm('backup', file, '--data-dir', server.dataDir)).toMatchObject({ code: 0 })
  await before.publish('2')
  await before.addContact('carol')
  const place = await before.lastPlace()
  const version = /ver="([^"]+)"/.exec(await before.roster(''))?.[1] ?? ''
  expect(await before.roster(version)).not.toContain('<query')
  await server.stop()

  const dataDir = join(folder, 'behind')
  expect(await sacm('restore', file, '--data-dir', dataDir)).toMatchObject({ code: 0 })
  const restored = await startServer({ dataDir, domain: 'test' })
  const after = await Client.login(restored)
  // As many as there were, and others.
  await after.publish('3')
  await after.addContact('dave')
  expect(await after.itemsAfter(place)).toContain('item-not-found')
  expect(await after.roster(version)).toContain('dave@test')
  await restored.stop()
})

/** A client that asks one thing at a time. */
class Client {
  readonly #connection: Connection
  #asked = 0

  private constructor(connection: Connection) {
    this.#connection = connection
  }

  static async login(server: TestServer): Promise<Client> {
    const connection = await Connection.open(server, 'tcp')
    await connection.login('alice', 'pw', 'desk')
    return new Client(connection)
  }

  /** @returns the answer as XML */
  async ask(type: 'get' | 'set', to: string, content: string): Promise<string> {
    const id = `a${++this.#asked}`
    this.#connection.send(`<iq xmlns='jabber:client' type='${type}' id='${id}' to='${to}'>${content}</iq>`)
    for (;;) {
      const what = await this.#connection.next()
      if (what.kind !== 'element') throw new Error(`${what.kind} instead of an answer`)
      if (what.tree.attributes.get('id') === id) return showTree(what.tree)
    }
  }

  publish(id: string): Promise<string> {
    const item = `<publish node='n'><item id='${id}'><p xmlns='urn:p'/></item></publish>`
    return this.ask('set', 'pubsub.test', `<pubsub xmlns='${NS_PUBSUB}'>${item}</pubsub>`)
  }

  addContact(name: string): Promise<string> {
    return this.ask('set', 'alice@test', `<query xmlns='jabber:iq:roster'><item jid='${name}@test'/></query>`)
  }

  roster(version: string): Promise<string> {
    return this.ask('get', 'alice@test', `<query xmlns='jabber:iq:roster' ver='${version}'/>`)
  }

  itemsAfter(place: string): Promise<string> {
    const set = `<set xmlns='http://jabber.org/protocol/rsm'><after>${place}</after></set>`
    return this.ask('get', 'pubsub.test', `<pubsub xmlns='${NS_PUBSUB}'><items node='n'/>${set}</pubsub>`)
  }

  async lastPlace(): Promise<string> {
    const set = "<set xmlns='http://jabber.org/protocol/rsm'><before/></set>"
    const page = await this.ask('get', 'pubsub.test', `<pubsub xmlns='${NS_PUBSUB}'><items node='n'/>${set}</pubsub>`)
    return /<last [^>]*>([^<]+)</.exec(page)?.[1] ?? ''
  }
}

describe('without a server', () => {
  let dataDir: string
  let file: string
  beforeAll(async () => {
    dataDir = join(folder, 'still')
    file = join(folder, 'still.backup')
    expect(
      await sacm('user', 'add', 'alice', '--password', 'x', '--data-dir', dataDir, '--domain', 'lab'),
    ).toMatchObject({ code: 0 })
    const { code, stdout } = await sacm('backup', file, '--data-dir', dataDir, '--domain', 'lab')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^wrote .*still\.backup: [\d.]+ MB, the database and \d+ other files\n$/)
  })

  test('the accounts are in the folder that it is restored to', async () => {
    const to = join(folder, 'still-restored')
    const { code, stdout } = await sacm('restore', file, '--data-dir', to, '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      folder: to,
      domain: 'lab',
      madeAt: expect.stringMatching(/^\d{4}-.*Z$/),
    })
    const listed = await sacm('user', 'list', '--json', '--data-dir', to, '--domain', 'lab')
    expect(JSON.parse(listed.stdout)).toMatchObject([{ jid: 'admin@lab' }, { jid: 'alice@lab' }])
    expect(modeOf(to)).toBe(0o700)
    // Nothing of the backup's own is left in the database, not even in its free pages.
    const bytes = readFileSync(join(to, 'sacm.sqlite'))
    expect(bytes.includes(readFileSync(join(dataDir, 'admin-password')).subarray(0, 20))).toBe(false)
    expect(bytes.includes('CREATE TABLE sacm_backup')).toBe(false)
  })

  test('a folder that is not empty is refused as it is; with --force what was there is moved aside', async () => {
    const to = join(folder, 'full')
    mkdirSync(to)
    writeFileSync(join(to, 'notes'), 'mine')
    const refused = await sacm('restore', file, '--data-dir', to)
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/is not empty\. With --force/) })
    expect(readdirSync(to).sort()).toEqual(['lock', 'lock.pid', 'notes'])
    const { code, stdout } = await sacm('restore', file, '--data-dir', to, '--force', '--json')
    expect(code).toBe(0)
    // The command's own result.
    const { replaced } = JSON.parse(stdout) as { replaced: string }
    expect(readFileSync(join(replaced, 'notes'), 'utf8')).toBe('mine')
    expect(existsSync(join(to, 'sacm.sqlite'))).toBe(true)
  })

  test('a file that is there, a place in the data folder, and no database are refused', async () => {
    const before = readFileSync(file)
    const at = (target: string, from = dataDir) => sacm('backup', target, '--data-dir', from, '--domain', 'lab')
    expect(await at(file)).toMatchObject({ code: 1, stderr: expect.stringMatching(/exists\. Choose another name/) })
    expect(readFileSync(file).equals(before)).toBe(true)
    const inside = await at(join(dataDir, 'certs', 'backup'))
    expect(inside).toMatchObject({ code: 1, stderr: expect.stringMatching(/lies in the data folder/) })
    const nowhere = await at(join(folder, 'none.backup'), join(folder, 'nowhere'))
    expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringMatching(/there is no database in/) })
    const unwritable = await at(join(folder, 'no-such-folder', 'backup'))
    expect(unwritable).toMatchObject({ code: 1, stderr: expect.stringMatching(/could not be written: ENOENT/) })
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([])
  })

  test('what is no backup, a damaged one, a cut-off one and one of a newer version are refused, and nothing is left', async () => {
    const refuses = async (name: string, why: RegExp) => {
      const to = join(folder, `to-${name}`)
      const ended = await sacm('restore', join(folder, name), '--data-dir', to)
      expect(ended).toMatchObject({ code: 1, stderr: expect.stringMatching(why) })
      expect(readdirSync(to).sort()).toEqual(['lock', 'lock.pid'])
    }
    await refuses('missing', /there is no file/)
    writeFileSync(join(folder, 'text'), 'not a database at all')
    await refuses('text', /is not a backup made by sacm backup/)
    copyFileSync(join(dataDir, 'sacm.sqlite'), join(folder, 'bare'))
    await refuses('bare', /is not a backup made by sacm backup: no such table/)
    writeFileSync(join(folder, 'short'), readFileSync(file).subarray(0, -40_960))
    await refuses('short', /damaged|not a backup|malformed/)
    copyFileSync(file, join(folder, 'newer'))
    const newer = new Database(join(folder, 'newer'))
    newer.exec("INSERT INTO schema_migrations VALUES ('9999_future', 'x', 0)")
    newer.close()
    await refuses('newer', /newer than this program: it has 9999_future/)
    copyFileSync(file, join(folder, 'outside'))
    const outside = new Database(join(folder, 'outside'))
    outside.exec("INSERT INTO sacm_backup_files VALUES ('../../outside', 0, 384, x'00')")
    outside.close()
    await refuses('outside', /a file outside of it/)
  })

  test('a disk that is full: a backup leaves nothing there, and a restore leaves all as it was', async (context) => {
    const small = join(folder, 'small')
    mountSmall(context, small, 131_072)
    const refused = await sacm('backup', join(small, 'b'), '--data-dir', dataDir, '--domain', 'lab')
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/the backup .* could not be written: .*full/),
    })
    expect(readdirSync(small)).toEqual([])
    writeFileSync(join(small, 'notes'), 'mine')
    const ended = await sacm('restore', file, '--force', '--data-dir', small)
    expect(ended).toMatchObject({ code: 3, stderr: expect.stringMatching(/ENOSPC/) })
    expect(readdirSync(small).sort()).toEqual(['lock', 'lock.pid', 'notes'])
  })

  test('a restore that was cut off is no installation', async () => {
    const to = join(folder, 'cut-off')
    mkdirSync(join(to, 'restoring'), { recursive: true })
    const listed = await sacm('user', 'list', '--data-dir', to, '--domain', 'lab')
    expect(listed).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/a restore into .* was cut off\. Run sacm restore/),
    })
    expect(await sacm('restore', file, '--data-dir', to)).toMatchObject({ code: 0 })
    expect(existsSync(join(to, 'restoring'))).toBe(false)
  })
})

test('a folder that a server runs on is not restored into, and its backup is refused in the same words', async () => {
  const server = await startServer({ dataDir: join(folder, 'busy') })
  try {
    const file = join(folder, 'busy.backup')
    const at = ['--data-dir', server.dataDir] as const
    expect(await sacm('backup', file, ...at)).toMatchObject({ code: 0 })
    expect(await sacm('backup', file, ...at)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/exists\. Choose another name/),
    })
    expect(await sacm('restore', file, '--force', ...at)).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/in use by another process/),
    })
  } finally {
    await server.stop()
  }
})
