/** The examples of XEP-0115 §5 and XEP-0390 §4.5, and what must not be hashed. */

import { parse } from 'ltx'
import { describe, expect, test } from 'vitest'
import { caps2Input, capsInput, hashOf } from '../../../modules/caps/hash.ts'
import { readInfo } from '../../../modules/caps/info.ts'
import { parseCaps } from '../../../modules/caps/xml.ts'
import { COMPLEX, SIMPLE } from './examples.ts'

const NS = 'http://jabber.org/protocol/disco#info'
const query = (inner: string) => readInfo(parse(`<query xmlns='${NS}'>${inner}</query>`))
const ver = (inner: string): string | undefined => {
  const input = capsInput(query(inner))
  return input && hashOf('sha-1', input)
}
const features = (...names: readonly string[]) => names.map((name) => `<feature var='${name}'/>`).join('')
const form = (type: string, fields = '', fieldType = 'hidden') =>
  `<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='${fieldType}'><value>${type}</value></field>${fields}</x>`

const D = 'http://jabber.org/protocol/'
const EXODUS = features(`${D}disco#info`, `${D}muc`, `${D}disco#items`, `${D}caps`)
const SOFTWARE = form(
  'urn:xmpp:dataforms:softwareinfo',
  `<field var='software'><value>Psi</value></field><field var='ip_version'><value>ipv6</value><value>ipv4</value></field>
   <field var='os'><value>Mac</value></field><field var='os_version'><value>10.5.1</value></field>
   <field var='software_version'><value>0.11</value></field>`,
)
const PSI = `<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/><identity xml:lang='el' category='client'
  name='Ψ 0.11' type='pc'/>${EXODUS}${SOFTWARE}`

describe('XEP-0115', () => {
  test('§5.2  simple', () => {
    expect(ver(`<identity category='client' name='Exodus 0.9.1' type='pc'/>${EXODUS}`)).toBe(
      'QgayPKawpkPSDYmwT/WM94uAlu0=',
    )
  })

  test('§5.3  complex', () => {
    expect(ver(PSI)).toBe('q07IKJEyjvHSyhy//CH0CxmKi8w=')
  })

  test('§5.1  sorts before it separates, by octets', () => {
    expect(capsInput(query(features('a<'.slice(0, 1), 'a#b', 'ï', '😀')))?.toString()).toBe('a<a#b<ï<😀<')
    expect(capsInput(query(features('\u{10000}', '\ufb01')))?.toString()).toBe('\ufb01<\u{10000}<')
  })

  test('§5.4  a form without a hidden FORM_TYPE is ignored', () => {
    expect(ver(PSI + form('other', '', 'text-single'))).toBe(ver(PSI))
    expect(ver(`${PSI}<x xmlns='jabber:x:data' type='result'/>`)).toBe(ver(PSI))
  })

  test.each([
    ['an identity twice', "<identity category='a' type='b'/><identity category='a' type='b'/>"],
    ['a feature twice', features('a', 'a')],
    ['two forms of one type', form('t') + form('t')],
    ['two values of FORM_TYPE', form('t</value><value>u')],
    ['the separator inside a feature', features('a&lt;b')],
    ['the separator inside a value', form('t', "<field var='f'><value>a&lt;b</value></field>")],
  ])('§5.4  %s: ill-formed', (_, inner) => {
    expect(ver(inner)).toBeUndefined()
  })
})

describe('XEP-0390', () => {
  test.each([
    ['simple', SIMPLE, 'kzBZbkqJ3ADrj7v08reD1qcWUwNGHaidNUgD7nHpiw8=', '79mdYAfU9rEdTOcWDO7UEAt6E56SUzk/g6TnqUeuD9Q='],
    [
      'complex',
      COMPLEX,
      'u79ZroNJbdSWhdSp311mddz44oHHPsEBntQ5b1jqBSY=',
      'XpUJzLAc93258sMECZ3FJpebkzuyNXDzRNwQog8eycg=',
    ],
  ])('§4.5  %s', (_, xml, sha256, sha3) => {
    const input = caps2Input(readInfo(parse(xml)), '')
    expect(input && hashOf('sha-256', input)).toBe(sha256)
    expect(input && hashOf('sha3-256', input)).toBe(sha3)
  })

  test('§4.1  counts the language that is inherited', () => {
    const info = readInfo(parse(SIMPLE), 'en')
    expect(caps2Input(info, info.lang)?.toString()).toContain('client\x1fmobile\x1fen\x1fBombusMod')
  })

  test.each([
    ['another element', "<other xmlns='urn:x'/>"],
    ['a form with items', form('t', "<item><field var='a'/></item>")],
    ['a form with reported fields', form('t', '<reported/>')],
    ['a form without FORM_TYPE', "<x xmlns='jabber:x:data' type='result'/>"],
    ['a form whose FORM_TYPE is not hidden', form('t', '', 'text-single')],
  ])('§4.1  %s: not to be hashed', (_, inner) => {
    expect(caps2Input(query(inner), '')).toBeUndefined()
  })
})

describe('what presence shows', () => {
  const shown = (inner: string) => parseCaps(parse(`<presence xmlns='jabber:client'>${inner}</presence>`))
  const caps = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v'/>"
  const caps2 = (algo: string, value = 'h=') =>
    `<c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='${algo}'>${value}</hash></c>`

  test('XEP-0390 before XEP-0115, of what can be verified', () => {
    expect(shown(caps)).toEqual({ kind: 'caps', algorithm: 'sha-1', value: 'v', node: 'n#v' })
    const better = { kind: 'caps2', algorithm: 'sha-256', value: 'h=', node: 'urn:xmpp:caps#sha-256.h=' }
    expect(shown(caps + caps2('sha-256'))).toEqual(better)
    expect(shown(caps + caps2('md5'))).toMatchObject({ kind: 'caps' })
    expect(shown(caps + caps2('sha-1'))).toMatchObject({ kind: 'caps' })
    expect(shown(caps + caps2('sha-256', ' '))).toMatchObject({ kind: 'caps' })
  })

  test('XEP-0115 §5.4  with a hash that nobody here knows it is asked by too', () => {
    expect(shown(caps.replace('sha-1', 'md9'))).toEqual({ kind: 'caps', algorithm: 'md9', value: 'v', node: 'n#v' })
  })

  test.each(['', caps2('md5'), caps.replace("hash='sha-1'", ''), caps.replace("ver='v'", '')])(
    'nothing to go by: %s',
    (inner) => {
      expect(shown(inner)).toBeUndefined()
    },
  )
})
