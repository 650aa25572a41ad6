/** The offline store's operations on a real SQLite file. */

import { afterEach, beforeEach, expect, test } from 'vitest'
import { offlineStore as store } from '../../modules/offline/store.sqlite.ts'
import { type OpenedStorage, openModules } from './open-modules.ts'

let opened: OpenedStorage
beforeEach(async () => {
  opened = await openModules('direct')
})
afterEach(() => opened.close())

const limits = { messages: 4, perSender: 2, chars: 100 }
const letter = (sender: string, xml: string, owner = 'b@test') => ({ owner, sender, type: 'chat', xml })
const keep = (sender: string, xml: string) => opened.storage.run(store.keep, { letter: letter(sender, xml), limits })
const page = async (max = 10, maxChars = 1000) =>
  (await opened.storage.run(store.readPage, { owner: 'b@test', max, maxChars })).map(({ xml }) => xml)

test('what is kept comes in its order, in pages, and is there after a restart', async () => {
  await keep('a@test', '<m1/>')
  await keep('c@test', '<m2/>')
  await keep('a@test', '<m3/>')
  await opened.reopen()
  expect(await page()).toEqual(['<m1/>', '<m2/>', '<m3/>'])
  expect(await page(2)).toEqual(['<m1/>', '<m2/>'])
  expect(await page(10, 11)).toEqual(['<m1/>', '<m2/>'])
  expect(await page(10, 1)).toEqual(['<m1/>'])
  expect(await opened.storage.run(store.readPage, { owner: 'x@test', max: 10, maxChars: 10 })).toEqual([])
})

test('a box has three bounds, and delivery makes room', async () => {
  await keep('a@test', '<m1/>')
  await keep('a@test', '<m2/>')
  await expect(keep('a@test', '<m3/>')).rejects.toMatchObject({ key: 'boxFull' })
  await keep('c@test', '<m4/>')
  await expect(keep('d@test', 'x'.repeat(100))).rejects.toMatchObject({ key: 'boxFull' })
  await keep('d@test', '<m5/>')
  await expect(keep('e@test', '<m6/>')).rejects.toMatchObject({ key: 'boxFull' })
  const [first] = await opened.storage.run(store.readPage, { owner: 'b@test', max: 1, maxChars: 10 })
  await opened.storage.run(store.forget, { owner: 'b@test', upTo: first?.id ?? 0 })
  await keep('a@test', '<m7/>')
  await expect(keep('a@test', '<m8/>')).rejects.toMatchObject({ key: 'boxFull' })
  expect(await page()).toEqual(['<m2/>', '<m4/>', '<m5/>', '<m7/>'])
})

test('of many, those for whom there is room are kept', async () => {
  const letters = ['<m1/>', '<m2/>', '<m3/>'].map((xml) => letter('s.test', xml))
  const kept = await opened.storage.run(store.keepAll, {
    letters: [...letters, letter('s.test', '<n/>', 'x@test')],
    limits,
  })
  expect(kept).toEqual({ dropped: 1 })
  expect(await page()).toEqual(['<m1/>', '<m2/>'])
})

test('what its sender said of a notification is given back with it', async () => {
  const letters = [{ ...letter('s.test n', '<m1/>'), scope: 'e1' }, letter('s.test m', '<m2/>')]
  await opened.storage.run(store.keepAll, { letters, limits })
  const kept = await opened.storage.run(store.readPage, { owner: 'b@test', max: 10, maxChars: 1000 })
  expect(kept).toMatchObject([
    { sender: 's.test n', scope: 'e1' },
    { sender: 's.test m', scope: undefined },
  ])
})

test('an account that is gone leaves nothing', async () => {
  await keep('a@test', '<m1/>')
  await opened.storage.run(store.forgetAccount, { bareJid: 'b@test' })
  expect(await page()).toEqual([])
  await keep('a@test', '<m1/>')
  await keep('a@test', '<m2/>')
})
