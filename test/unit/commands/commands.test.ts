/** What no command over the wire reaches: time, the bound over all clients, types of fields that no form has yet. */

import { describe, expect, test } from 'vitest'
import { fillIn } from '../../../modules/commands/fill-in.ts'
import { CommandSessions } from '../../../modules/commands/sessions.ts'
import type { CommandForm } from '../../../server/module/api.ts'
import { type DataForm, type FormField, renderForm } from '../../../server/stanza/forms.ts'

const stage: CommandForm = {
  form: { type: 'form', formType: 'urn:test', fields: [] },
  isLast: true,
  submit: () => ({}),
}

describe('XEP-0050 §3.3  sessions', () => {
  function sessions() {
    const clock = { time: 1000, now: () => clock.time }
    return { clock, all: new CommandSessions({ perRequester: 2, total: 3, idleMs: 500 }, clock) }
  }

  test('expire when nobody goes on; each step gives them time anew', () => {
    const { clock, all } = sessions()
    const { id } = all.open('a@test/1', 'node', stage)
    clock.time += 499
    expect(all.find(id, 'a@test/1', 'node').id).toBe(id)
    clock.time += 499
    expect(all.find(id, 'a@test/1', 'node').id).toBe(id)
    clock.time += 500
    expect(() => all.find(id, 'a@test/1', 'node')).toThrow(
      expect.objectContaining({
        condition: 'not-allowed',
        application: [expect.objectContaining({ name: 'session-expired' })],
      }),
    )
    expect(all.size).toBe(0)
  })

  test('that are worked on do not', () => {
    const { clock, all } = sessions()
    all.open('a@test/1', 'node', stage).isBusy = true
    clock.time += 5000
    all.sweep()
    expect(all.size).toBe(1)
  })

  test('are bounded for one client and in all; those that expired make room', () => {
    const { clock, all } = sessions()
    const tooMany = expect.objectContaining({ type: 'wait', condition: 'resource-constraint' })
    for (const client of ['a', 'a', 'b']) all.open(client, 'node', stage)
    expect(() => all.open('a', 'node', stage)).toThrow(tooMany)
    expect(() => all.open('c', 'node', stage)).toThrow(tooMany)
    all.endAllOf('a')
    expect(all.size).toBe(1)
    clock.time += 500
    all.open('b', 'node', stage)
    expect(all.size).toBe(1)
  })

  test('ids that were made up, or belong to others, are told from those that were given out', () => {
    const { all } = sessions()
    const { id } = all.open('a', 'node', stage)
    for (const [text, who, node] of [
      [id, 'b', 'node'],
      [id, 'a', 'other'],
      [`${id}.x`, 'a', 'node'],
      [`x${id}`, 'a', 'node'],
      ['', 'a', 'node'],
    ] as const)
      expect(() => all.find(text, who, node)).toThrow(
        expect.objectContaining({ application: [expect.objectContaining({ name: 'bad-sessionid' })] }),
      )
  })
})

describe('XEP-0004 §3  what was filled in', () => {
  const asked = (...fields: readonly FormField[]): DataForm => ({ type: 'form', formType: 'urn:test', fields })
  const fill = (form: DataForm, ...fields: readonly FormField[]) =>
    fillIn(form, renderForm({ type: 'submit', formType: 'urn:test', fields })).fields.map(({ name, values }) => [
      name,
      values,
    ])

  test('keeps defaults of what was left out, and leaves out what was not asked for', () => {
    const form = asked(
      { name: 'kept', type: 'text-single', values: ['default'] },
      { name: 'said', type: 'boolean', values: ['0'] },
      { name: 'text', type: 'fixed', values: ['Read this.'] },
    )
    expect(fill(form, { name: 'said', values: ['true'] }, { name: 'other', values: ['x'] })).toEqual([
      ['kept', ['default']],
      ['said', ['true']],
    ])
    expect(fillIn(form, undefined).fields).toHaveLength(2)
  })

  test.each<[FormField['type'], readonly string[], boolean]>([
    ['boolean', ['yes'], false],
    ['boolean', ['1'], true],
    ['text-single', ['a', 'b'], false],
    ['text-multi', ['a', 'b'], true],
    ['list-multi', ['a', 'b'], true],
    ['list-multi', ['a', 'c'], false],
    ['jid-multi', ['a@test', 'b@test/x'], true],
    ['jid-multi', ['a@test', '@'], false],
    ['jid-single', [''], true],
  ])('%s %j: %s', (type, values, isGood) => {
    const form = asked({ name: 'f', ...(type ? { type } : {}), options: [{ value: 'a' }, { value: 'b' }], values: [] })
    const run = () => fill(form, { name: 'f', values })
    if (isGood) expect(run()).toEqual([['f', values]])
    else expect(run).toThrow(expect.objectContaining({ condition: 'bad-request' }))
  })
})
