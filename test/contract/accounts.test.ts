/** Accounts on real storage: the replica in memory, what restarts keep, and what a stranger can tell. */

import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type AccountChange, type Accounts, openAccounts, PasswordError } from '../../server/auth/accounts.ts'
import { deriveKeys, SCRAM_HASHES } from '../../server/auth/keys.ts'
import { parseGrant } from '../../server/auth/roles.ts'
import { putAccount } from '../../server/auth/store.ts'
import { createLogger } from '../../server/log.ts'
import type { AccountView } from '../../server/module/api.ts'
import { folderAssets } from '../../server/storage/assets.ts'
import { openStorage } from '../../server/storage/client.ts'
import { Refusal, type Storage } from '../../server/storage/storage.ts'
import type { Authenticator } from '../../server/stream/mechanisms.ts'
import { begin, forget } from './accounts/data.ts'
import { addonPath, bundleWorker } from './storage/bundle.ts'

const ITERATIONS = 4_096
const MIGRATIONS = new URL('../../migrations/sqlite/', import.meta.url)
const WORKER = new URL('./accounts/worker.ts', import.meta.url)

let code = ''
let folder = ''
let storage: Storage
let accounts: Accounts

async function start(scramIterations = ITERATIONS): Promise<void> {
  const assets = { ...folderAssets({ workerEntry: WORKER, migrations: MIGRATIONS, nativeBinding: addonPath() }) }
  const log = createLogger('silent')
  storage = await openStorage({
    file: join(folder, 'a.db'),
    assets: { ...assets, workerEntry: () => ({ code }) },
    log,
  })
  accounts = await openAccounts(storage, { domain: 'test', scramIterations, data: [{ begin, forget }] })
}
async function restart(): Promise<void> {
  await storage.close()
  await start()
}

beforeAll(async () => {
  code = await bundleWorker(WORKER)
})
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'accounts-'))
  await start()
})
afterEach(async () => {
  await storage.close()
  rmSync(folder, { recursive: true })
})

const consumerOfWeb = parseGrant('consumer:label=web')
const collector = parseGrant('collector')
const evaluator = parseGrant('evaluator')
const bound = (endpointId: string) => ({ role: 'collector', scope: 'self', endpointId })

test('fit what modules and streams ask of them', () => {
  const view: Omit<AccountView, 'maySeePresence'> = accounts
  const authenticator: Authenticator = accounts
  expect(view.exists('nobody@test')).toBe(false)
  expect(authenticator.scram('sha256', { isPlusOffered: false, advertised: 'PLAIN' })).toBeDefined()
})

describe('accounts', () => {
  test('that are disabled are answered like unknown ones, keep all they have, and can be enabled again', async () => {
    await accounts.add('alice', 'pencil', [evaluator])
    await accounts.setDisabled('alice', true)
    for (const again of [async () => {}, restart]) {
      await again()
      expect(accounts.list()).toMatchObject([{ local: 'alice', isDisabled: true, grants: [evaluator] }])
      expect(await accounts.verifyPassword('alice', 'pencil')).toBe(false)
    }
    const unknown = await accounts.scramKeys('alice', 'sha256')
    await accounts.setDisabled('alice', false)
    expect(await accounts.verifyPassword('alice', 'pencil')).toBe(true)
    expect(await accounts.scramKeys('alice', 'sha256')).not.toEqual(unknown)
    expect(accounts.list()).toMatchObject([{ isDisabled: false }])
    await expect(accounts.setDisabled('nobody', true)).rejects.toMatchObject({ key: 'noSuchAccount' })
  })

  test('are there once added, also after a restart, and gone once removed', async () => {
    expect(await accounts.add('alice', 'pencil', [evaluator, consumerOfWeb])).toBe(true)
    const check = () => {
      expect(accounts.exists('alice@test')).toBe(true)
      expect(accounts.exists('alice@elsewhere')).toBe(false)
      expect([...accounts.roles('alice@test')].sort()).toEqual(['consumer', 'evaluator'])
      expect(accounts.grants('alice@test')).toEqual([consumerOfWeb, evaluator])
      expect(accounts.list().map(({ local }) => local)).toEqual(['alice'])
    }
    check()
    await restart()
    check()
    expect(await accounts.verifyPassword('alice', 'pencil')).toBe(true)
    expect(await accounts.remove('alice')).toEqual(['alice@test had a thing'])
    expect(accounts.exists('alice@test')).toBe(false)
    expect(accounts.roles('alice@test').size).toBe(0)
    expect(await accounts.verifyPassword('alice', 'pencil')).toBe(false)
    expect(await accounts.remove('alice')).toBeUndefined()
    await restart()
    expect(accounts.list()).toEqual([])
  })

  test('added again get the new password and grants, and keep their bound endpoint', async () => {
    await accounts.add('host1', 'old', [collector])
    await accounts.bindSelf('host1@test', 'e-1')
    expect(await accounts.add('host1', 'new', [collector, evaluator])).toBe(false)
    expect(accounts.grants('host1@test')).toEqual([bound('e-1'), evaluator])
    expect(await accounts.verifyPassword('host1', 'old')).toBe(false)
    expect(await accounts.verifyPassword('host1', 'new')).toBe(true)
    await accounts.add('host1', undefined, [evaluator])
    expect(accounts.grants('host1@test')).toEqual([evaluator])
    expect(await accounts.verifyPassword('host1', 'new')).toBe(true)
  })

  test('are not replaced by who must not', async () => {
    await accounts.add('alice', 'pencil', [])
    const again = accounts.add('alice', 'stolen', [], { replace: false })
    await expect(again).rejects.toBeInstanceOf(Refusal)
    await expect(again).rejects.toMatchObject({ key: 'accountExists' })
    expect(await accounts.verifyPassword('alice', 'pencil')).toBe(true)
  })

  test('without a password let nobody in', async () => {
    await accounts.add('alice', undefined, [])
    expect(accounts.exists('alice@test')).toBe(true)
    for (const password of ['', 'undefined', 'x']) expect(await accounts.verifyPassword('alice', password)).toBe(false)
  })

  test('tell who listens, in the order of commit', async () => {
    const changes: AccountChange[] = []
    const stop = accounts.onChange((change) => changes.push(change))
    await Promise.all([
      accounts.add('alice', undefined, []),
      accounts.grant('alice', evaluator),
      accounts.revoke('alice', evaluator),
      accounts.remove('alice'),
    ])
    stop()
    await accounts.add('bob', undefined, [])
    const kinds = changes.map(({ kind, bareJid }) => `${kind} ${bareJid}`)
    // That it leaves is told when it begins to.
    expect(kinds.shift()).toBe('leaving alice@test')
    expect(kinds).toEqual(['added alice@test', 'changed alice@test', 'changed alice@test', 'removed alice@test'])
  })

  test('come and go with all that is kept of them, or not at all', async () => {
    await expect(accounts.add('refused', 'pencil', [])).rejects.toMatchObject({ key: 'noBeginning' })
    for (const local of ['kept', 'gone']) await accounts.add(local, 'pencil', [])
    const forgotten: string[] = []
    accounts.onChange((change) => {
      if (change.kind === 'removed') forgotten.push(change.forgotten(forget))
    })
    const removal = accounts.remove('kept')
    // Nothing is written for one that leaves, and it is there again if it stays.
    expect(accounts.exists('kept@test')).toBe(false)
    expect(accounts.mayLogIn('kept')).toBe(false)
    const leaving = accounts.leaving('kept@test')
    await expect(removal).rejects.toMatchObject({ key: 'noEnd' })
    expect(await leaving).toBe(false)
    await accounts.remove('gone')
    for (const again of [async () => {}, restart]) {
      await again()
      expect(accounts.list().map(({ local }) => local)).toEqual(['kept'])
      expect(accounts.exists('kept@test')).toBe(true)
    }
    expect(forgotten).toEqual(['forgot gone@test'])
  })

  test('that do not exist are refused by name', async () => {
    const changes = [
      accounts.setPassword('nobody', 'x'),
      accounts.grant('nobody', evaluator),
      accounts.revoke('nobody', 'evaluator'),
      accounts.bindSelf('nobody@test', 'e-1'),
    ]
    for (const change of await Promise.allSettled(changes))
      expect(change).toMatchObject({ status: 'rejected', reason: { key: 'noSuchAccount' } })
  })
})

describe('grants', () => {
  beforeEach(async () => {
    await accounts.add('host1', undefined, [collector])
  })

  test('are added once and revoked one by one or by role', async () => {
    await accounts.grant('host1', consumerOfWeb)
    await accounts.grant('host1', consumerOfWeb)
    await accounts.grant('host1', parseGrant('consumer:id=e-7'))
    expect(accounts.grants('host1@test')).toHaveLength(3)
    expect(await accounts.revoke('host1', parseGrant('consumer:id=e-8'))).toBe(false)
    expect(await accounts.revoke('host1', parseGrant('consumer:id=e-7'))).toBe(true)
    expect(accounts.grants('host1@test')).toEqual([collector, consumerOfWeb])
    await accounts.grant('host1', parseGrant('consumer'))
    expect(await accounts.revoke('host1', 'consumer')).toBe(true)
    expect(accounts.grants('host1@test')).toEqual([collector])
    expect(await accounts.revoke('host1', 'consumer')).toBe(false)
  })

  test('of self are bound to the first endpoint and stay with it', async () => {
    expect(await accounts.bindSelf('host1@test', 'e-1')).toEqual([bound('e-1')])
    expect(await accounts.bindSelf('host1@test', 'e-2')).toEqual([bound('e-1')])
    await accounts.grant('host1', collector)
    expect(accounts.grants('host1@test')).toEqual([bound('e-1')])
    await restart()
    expect(accounts.grants('host1@test')).toEqual([bound('e-1')])
    await accounts.grant('host1', parseGrant('collector:self=e-3'))
    expect(accounts.grants('host1@test')).toEqual([bound('e-3')])
    expect(await accounts.revoke('host1', collector)).toBe(true)
    expect(accounts.grants('host1@test')).toEqual([])
  })

  test('are bound once when two ask at the same time', async () => {
    const both = [accounts.bindSelf('host1@test', 'e-1'), accounts.bindSelf('host1@test', 'e-2')]
    expect(await Promise.all(both)).toEqual([[bound('e-1')], [bound('e-1')]])
  })
})

describe('passwords', () => {
  test('are checked, also from the cache, and a new one ends the old', async () => {
    await accounts.add('alice', 'pencil', [])
    for (let i = 0; i < 3; i++) {
      expect(await accounts.verifyPassword('alice', 'pencil')).toBe(true)
      expect(await accounts.verifyPassword('alice', 'Pencil')).toBe(false)
    }
    await accounts.setPassword('alice', 'crayon')
    expect(await accounts.verifyPassword('alice', 'pencil')).toBe(false)
    expect(await accounts.verifyPassword('alice', 'crayon')).toBe(true)
  })

  test('are compared as RFC 8265 prepares them', async () => {
    await accounts.add('alice', 'gru\u0308ße\u00a0heute', [])
    expect(await accounts.verifyPassword('alice', 'gr\u00fcße heute')).toBe(true)
  })

  test('that cannot be are refused when set, and wrong when tried', async () => {
    for (const password of ['', 'line\nbreak', 'nul\0']) {
      await expect(accounts.add('alice', password, [])).rejects.toBeInstanceOf(PasswordError)
      expect(await accounts.verifyPassword('alice', password)).toBe(false)
    }
    expect(accounts.exists('alice@test')).toBe(false)
  })

  test('are nowhere in the files', async () => {
    await accounts.add('alice', 'correct horse battery staple', [])
    await accounts.verifyPassword('alice', 'correct horse battery staple')
    await storage.close()
    expect(readFileSync(join(folder, 'a.db'), 'latin1')).toContain('alice')
    expect(readFileSync(join(folder, 'a.db'), 'latin1')).not.toContain('battery')
    await start()
  })
})

describe('SCRAM', () => {
  test.each(['sha1', 'sha256', 'sha512'] as const)('logs in with %s', async (hash) => {
    await accounts.add('alice', 'pencil', [])
    const exchange = accounts.scram(hash)
    const serverFirst = await exchange.first('n,,n=Alice,r=abc')
    const [, nonce = '', salt = '', iterations = ''] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(serverFirst) ?? []
    expect(Number(iterations)).toBe(ITERATIONS)
    const size = createHash(hash).digest().length
    const salted = pbkdf2Sync('pencil', Buffer.from(salt, 'base64'), ITERATIONS, size, hash)
    const mac = (key: Buffer, text: string) => createHmac(hash, key).update(text).digest()
    const clientKey = mac(salted, 'Client Key')
    const authMessage = `n=Alice,r=abc,${serverFirst},c=biws,r=${nonce}`
    const signature = mac(createHash(hash).update(clientKey).digest(), authMessage)
    const proof = Buffer.from(clientKey.map((byte, i) => byte ^ (signature[i] ?? 0))).toString('base64')
    const expected = mac(mac(salted, 'Server Key'), authMessage).toString('base64')
    expect(exchange.final(`c=biws,r=${nonce},p=${proof}`)).toEqual({ serverFinal: `v=${expected}`, username: 'Alice' })
  })

  test('answers for unknown users as for known ones after the iterations were raised', async () => {
    const costOf = async (name: string) => (await accounts.scramKeys(name, 'sha256')).iterations
    const strangers = Array.from({ length: 200 }, (_, n) => `stranger-${n}`)
    const costs = async () => [...new Set(await Promise.all(strangers.map(costOf)))].sort((a, b) => a - b)
    await accounts.add('alice', 'pencil', [])
    await accounts.add('bob', 'pencil', [])
    await storage.close()
    await start(2 * ITERATIONS)
    // Nobody has keys of the new kind, so nobody shows any.
    expect([await costOf('alice'), await costs()]).toEqual([ITERATIONS, [ITERATIONS]])
    await accounts.setPassword('bob', 'pen')
    expect([await costOf('bob'), await costs()]).toEqual([2 * ITERATIONS, [ITERATIONS, 2 * ITERATIONS]])
    const before = await Promise.all(strangers.map(costOf))
    expect(await Promise.all(strangers.map(costOf))).toEqual(before)
    await storage.close()
    await start(2 * ITERATIONS)
    const after = await Promise.all(strangers.map(costOf))
    // As more accounts have the new keys, strangers go over to them, and none goes back.
    expect(after.every((cost, n) => cost >= (before[n] ?? 0))).toBe(true)
  })

  test('answers for an unknown user as for a known one, and the same after a restart', async () => {
    await accounts.add('alice', 'pencil', [])
    const shape = async (name: string) =>
      (await accounts.scram('sha256').first(`n,,n=${name},r=abc`)).split(',').slice(1)
    const known = await shape('alice')
    const unknown = await shape('mallory')
    expect(unknown.map((part) => part.length)).toEqual(known.map((part) => part.length))
    expect(unknown[1]).toBe(known[1])
    expect(await shape('mallory')).toEqual(unknown)
    expect(await shape('trudy')).not.toEqual(unknown)
    await restart()
    expect(await shape('mallory')).toEqual(unknown)
    expect(await shape('alice')).toEqual(known)
  })

  test('refuses an unknown user with the words for a wrong password', async () => {
    await accounts.add('alice', 'pencil', [])
    const attempt = async (name: string) => {
      const exchange = accounts.scram('sha1')
      const nonce = /^r=([^,]+)/.exec(await exchange.first(`n,,n=${name},r=abc`))?.[1] ?? ''
      try {
        return exchange.final(`c=biws,r=${nonce},p=${Buffer.alloc(20).toString('base64')}`)
      } catch (error) {
        return error
      }
    }
    const known = await attempt('alice')
    expect(known).toMatchObject({ condition: 'not-authorized' })
    expect(await attempt('mallory')).toEqual(known)
  })

  test('refuses a name that cannot be', async () => {
    await expect(accounts.scram('sha1').first('n,,n=a@b,r=abc')).rejects.toMatchObject({ condition: 'not-authorized' })
  })
})

test('a start finds whose keys are weak or missing', async () => {
  await accounts.add('whole', 'pw', [])
  await accounts.add('none', undefined, [])
  await restart()
  for (const hash of SCRAM_HASHES) expect(accounts.upgrades.isWanted(hash)).toBe(false)
  const keys = await Promise.all(
    (['sha1', 'sha256'] as const).map((hash) => deriveKeys(hash, 'pw', 'c2FsdA==', ITERATIONS)),
  )
  await storage.run(putAccount, { local: 'lacking', keys, grants: [], replace: false })
  await restart()
  expect(['whole', 'none', 'lacking'].map((local) => accounts.upgrades.of(local))).toEqual([[], [], ['sha512']])
  await storage.close()
  await start(ITERATIONS + 1)
  expect(['whole', 'none', 'lacking'].map((local) => accounts.upgrades.of(local))).toEqual([
    SCRAM_HASHES,
    [],
    SCRAM_HASHES,
  ])
})
