/** Data forms. XEP-0004, XEP-0068. */

import { describe, expect, it } from 'vitest'
import {
  type DataForm,
  field,
  parseForm,
  readBoolean,
  readInteger,
  readList,
  readText,
  renderForm,
} from '../../../server/stanza/forms.ts'
import { parseFragment } from '../../../server/xml/parser.ts'
import { serialize } from '../../../server/xml/serialize.ts'

const form = (content: string, type = 'submit') =>
  parseForm(parseFragment(`<x xmlns='jabber:x:data' type='${type}'>${content}</x>`))
const refusal = (condition: string) => expect.objectContaining({ name: 'StanzaError', type: 'modify', condition })

const config: DataForm = {
  type: 'form',
  formType: 'http://jabber.org/protocol/pubsub#node_config',
  title: 'Node',
  instructions: 'one\ntwo',
  fields: [
    { name: 'a', type: 'text-single', label: 'A & B', description: 'what', required: true, values: ['x'] },
    { name: 'b', type: 'list-single', options: [{ value: '1', label: 'One' }, { value: '2' }], values: ['1'] },
    { name: 'c', type: 'text-multi', values: ['1', '', '3'] },
    { name: 'd', values: [] },
  ],
}

it('round trip', () => {
  expect(parseForm(parseFragment(serialize(renderForm(config))))).toEqual(config)
  expect(parseForm(renderForm(config))).toEqual(config)
})

it('writes FORM_TYPE first and hidden', () => {
  expect(serialize(renderForm({ type: 'result', formType: 'u', fields: [] }))).toBe(
    '<x xmlns="jabber:x:data" type="result"><field var="FORM_TYPE" type="hidden"><value>u</value></field></x>',
  )
})

describe('reading', () => {
  it('FORM_TYPE of a submission needs no type, that of a form must be hidden', () => {
    const content = "<field var='FORM_TYPE'><value>u</value></field>"
    expect(form(content).formType).toBe('u')
    expect(form(content, 'form').formType).toBeUndefined()
    expect(form(content, 'form').fields).toEqual([])
  })

  it('skips fixed fields without a name, and forgets unknown types', () => {
    expect(form("<field type='fixed'><value>x</value></field><field var='a' type='odd'/>").fields).toEqual([
      { name: 'a', values: [] },
    ])
  })

  it.each([
    ['no type', () => parseForm(parseFragment("<x xmlns='jabber:x:data'/>"))],
    ['an unknown type', () => form('', 'odd')],
    ['another namespace', () => parseForm(parseFragment("<x xmlns='u' type='submit'/>"))],
    ['another element', () => parseForm(parseFragment("<y xmlns='jabber:x:data' type='submit'/>"))],
    ['a nameless field', () => form('<field/>')],
    ['a field twice', () => form("<field var='a'/><field var='a'/>")],
  ])('refuses %s', (_, act) => {
    expect(act).toThrow(refusal('bad-request'))
  })
})

describe('values', () => {
  const filled = form(
    ['yes=true', 'one=1', 'no=false', 'zero=0', 'empty=', 'n=42', 'neg=-3', 'word=maybe']
      .map((pair) => pair.split('='))
      .map(([name, value]) => `<field var='${name}'><value>${value}</value></field>`)
      .concat("<field var='bare'/><field var='two'><value>1</value><value>2</value></field>")
      .join(''),
  )

  it('text and lists', () => {
    expect(readText(filled, 'word')).toBe('maybe')
    expect(readText(filled, 'empty')).toBe('')
    expect(readText(filled, 'bare')).toBeUndefined()
    expect(readText(filled, 'absent')).toBeUndefined()
    expect(readList(filled, 'two')).toEqual(['1', '2'])
    expect(readList(filled, 'bare')).toEqual([])
    expect(readList(filled, 'absent')).toBeUndefined()
    expect(field(filled, 'n')?.values).toEqual(['42'])
  })

  it('booleans', () => {
    expect(['yes', 'one', 'no', 'zero', 'empty', 'bare', 'absent'].map((name) => readBoolean(filled, name))).toEqual([
      ...[true, true, false, false, undefined, undefined, undefined],
    ])
  })

  it('numbers and options', () => {
    expect(readInteger(filled, 'n', 0, 42)).toBe(42)
    expect(readInteger(filled, 'neg', -5, 5)).toBe(-3)
    expect(readInteger(filled, 'empty', 0, 1)).toBeUndefined()
  })

  it.each([
    ['several values where one is taken', () => readText(filled, 'two')],
    ['a word as boolean', () => readBoolean(filled, 'word')],
    ['a word as number', () => readInteger(filled, 'word', 0, 1)],
    ['a number too large', () => readInteger(filled, 'n', 0, 41)],
    ['a number too small', () => readInteger(filled, 'neg', 0, 41)],
  ])('refuses %s', (_, act) => {
    expect(act).toThrow(refusal('not-acceptable'))
  })
})
