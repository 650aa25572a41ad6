import { expect, test } from 'vitest'
import { Avatars } from '../../../modules/vcard/avatars.ts'
import { createLogger } from '../../../server/log.ts'

test('what was published before the start is announced; what is no image by that name is shown to nobody', async () => {
  const id = 'AB'.repeat(20)
  const payloads: Record<string, string> = {
    'urn:xmpp:avatar:metadata': `<metadata xmlns="urn:xmpp:avatar:metadata"><info id="${id}" bytes="1" type="image/png"/></metadata>`,
    'urn:xmpp:avatar:data': '<data xmlns="urn:xmpp:avatar:data">iVBORw0KGgo=</data>',
  }
  const avatars = new Avatars(
    {
      publish: () => Promise.reject(new Error('nothing is published')),
      retract: () => Promise.reject(new Error('nothing is retracted')),
      mayRead: () => Promise.resolve(true),
      accountsWith: (nodeId) => (nodeId in payloads ? ['a@test'] : []),
      item: async (account, nodeId) => {
        // A start takes as long as there are pictures, however many accounts there are.
        expect(account).toBe('a@test')
        return { itemId: id, payload: payloads[nodeId], publishedAt: 0 }
      },
    },
    createLogger('silent'),
  )
  await avatars.load()
  expect([avatars.hashOf('a@test'), avatars.hashOf('b@test')]).toEqual([id.toLowerCase(), undefined])
  expect(await avatars.photoFor('a@test', 'b@test')).toBeUndefined()
  avatars.changed('a@test', 'not XML')
  expect(avatars.hashOf('a@test')).toBeUndefined()
})
