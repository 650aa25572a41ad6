/** The operations of vCards on a real SQLite file. */

import { expect, test } from 'vitest'
import { readVcard, removeVcard, saveVcard } from '../../modules/vcard/store.sqlite.ts'
import { openModules } from './open-modules.ts'

test('a vCard takes the place of what was there, outlasts a restart, and goes with its account', async () => {
  const opened = await openModules('direct')
  const read = (bareJid: string) => opened.storage.run(readVcard, bareJid)
  expect(await read('a@test')).toBeUndefined()
  await opened.storage.run(saveVcard, { bareJid: 'a@test', xml: '<one/>' })
  await opened.storage.run(saveVcard, { bareJid: 'b@test', xml: '<other/>' })
  await opened.storage.run(saveVcard, { bareJid: 'a@test', xml: '<two/>' })
  await opened.reopen()
  expect(await read('a@test')).toBe('<two/>')
  await opened.storage.run(removeVcard, { bareJid: 'a@test' })
  expect(await read('a@test')).toBeUndefined()
  expect(await read('b@test')).toBe('<other/>')
  await opened.close()
})
