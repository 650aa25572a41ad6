/** Requests under way: whose answer counts, and that each one ends. RFC 6120 §8.1.2.1, §8.2.3. */

import { describe, expect, it } from 'vitest'
import { IqTable, OfflineError } from '../../../clients/core/iq.ts'
import { StanzaError } from '../../../server/stanza/errors.ts'
import { attr, type Element, el } from '../../../server/xml/element.ts'

function table() {
  const sent: Element[] = []
  const iqs = new IqTable((stanza) => sent.push(stanza), ['alice@test/desk', 'alice@test', 'test'])
  const answer = (from: string | undefined, type = 'result', ...children: Element[]) =>
    iqs.answer(el('iq', { xmlns: 'jabber:client', type, from, id: attr(sent.at(-1) ?? el('none'), 'id') }, ...children))
  return { iqs, sent, answer }
}
const ping = () => el('ping', { xmlns: 'urn:xmpp:ping' })

describe('an answer', () => {
  it('counts from the address that was asked, and from no other', async () => {
    const { iqs, answer } = table()
    const asked = iqs.request('get', 'bob@test', ping())
    expect(answer('mallory@test')).toBe(false)
    expect(answer(undefined)).toBe(false)
    expect(answer('bob@test', 'result', el('pong', { xmlns: 'x' }))).toBe(true)
    expect((await asked)?.getName()).toBe('pong')
    expect(iqs.size).toBe(0)
    expect(answer('bob@test')).toBe(false)
  })

  it.each([undefined, 'alice@test', 'alice@test/desk', 'test'])(
    'to a request without address may come from %s',
    async (from) => {
      const { iqs, answer } = table()
      const asked = iqs.request('get', undefined, ping())
      expect(answer('mallory@test')).toBe(false)
      expect(answer(from)).toBe(true)
      expect(await asked).toBeUndefined()
    },
  )

  it('may be an error', async () => {
    const { iqs, answer } = table()
    const asked = iqs.request('get', 'bob@test', ping())
    const error = new StanzaError('auth', 'forbidden', 'no').toElement()
    error.attrs['xmlns'] = 'jabber:client'
    answer('bob@test', 'error', error)
    await expect(asked).rejects.toMatchObject({ name: 'StanzaError', condition: 'forbidden', message: 'no' })
  })
})

describe('a request', () => {
  it('ends after its time', async () => {
    const { iqs } = table()
    await expect(iqs.request('get', 'bob@test', ping(), { timeoutMs: 5 })).rejects.toMatchObject({
      name: 'TimeoutError',
    })
    expect(iqs.size).toBe(0)
  })

  it('ends with its signal, and with the connection', async () => {
    const { iqs } = table()
    const controller = new AbortController()
    const aborted = expect(iqs.request('get', 'b@test', ping(), { signal: controller.signal })).rejects.toThrow(
      'enough',
    )
    const lost = expect(iqs.request('get', 'c@test', ping())).rejects.toMatchObject({ name: 'OfflineError' })
    controller.abort(new Error('enough'))
    iqs.close(new OfflineError('gone'))
    await Promise.all([aborted, lost])
    expect(iqs.size).toBe(0)
  })

  it('is refused when too many are under way', async () => {
    const { iqs } = table()
    const all = Array.from({ length: 1024 }, () => iqs.request('get', 'b@test', ping()).catch(() => undefined))
    await expect(iqs.request('get', 'b@test', ping())).rejects.toMatchObject({ condition: 'resource-constraint' })
    iqs.close(new OfflineError('gone'))
    await Promise.all(all)
  })
})
