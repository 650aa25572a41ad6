import { describe, expect, test } from 'vitest'
import {
  hashOfMetadata,
  photoOf,
  photoOfData,
  renderData,
  renderMetadata,
  withoutPhoto,
  withPhoto,
} from '../../../modules/vcard/photo.ts'
import { announce } from '../../../modules/vcard/presence.ts'
import { parseFragment } from '../../../server/xml/parser.ts'
import { serialize } from '../../../server/xml/serialize.ts'

/** One pixel. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII='
const GIF = Buffer.from('GIF89a\x01\x00\x01\x00').toString('base64')

const vcard = (content: string) => parseFragment(`<vCard xmlns='vcard-temp'>${content}</vCard>`)
const photo = (base64: string, type = 'image/jpeg') =>
  vcard(`<FN>A</FN><PHOTO><TYPE>${type}</TYPE><BINVAL>${base64}</BINVAL></PHOTO>`)

describe('the picture of a vCard', () => {
  test('XEP-0153 §4.6, §5  is what its bytes say, white space ignored', () => {
    const read = photoOf(photo(`\n  ${PNG.slice(0, 40)}\n  ${PNG.slice(40)}\r\n`))
    expect(read).toMatchObject({ type: 'image/png', base64: PNG, bytes: 68, size: { width: 1, height: 1 } })
    // sha1sum of the image
    expect(read?.hash).toBe('c1986af3c26609b8b7d8933f99c51c1a89e9ea6b')
    expect(photoOf(photo(GIF))).toMatchObject({ type: 'image/gif', size: undefined })
    const jpeg = Buffer.from('\xff\xd8\xff\xe0\x00\x10JFIF', 'latin1').toString('base64')
    expect(photoOf(photo(jpeg, 'image/png'))).toMatchObject({ type: 'image/jpeg', size: undefined })
    expect(photoOf(vcard(`<PHOTO mime-type='image/png'>${PNG}</PHOTO>`))).toBeUndefined()
  })

  test.each([
    ['no base64', '=AAA'],
    ['cut short', PNG.slice(0, -1)],
    ['empty', ''],
    ['no image', Buffer.from('<svg/>').toString('base64')],
  ])('is none when it is %s', (_name, base64) => {
    expect(photoOf(photo(base64))).toBeUndefined()
  })

  test('is none in a vCard without one, or with an address for one', () => {
    expect(photoOf(vcard('<FN>A</FN>'))).toBeUndefined()
    expect(photoOf(vcard('<PHOTO><EXTVAL>http://x.test/a.png</EXTVAL></PHOTO>'))).toBeUndefined()
  })

  test('takes the place of what was there, and goes', () => {
    const read = photoOf(photo(PNG))
    if (!read) throw new Error('no photo')
    const with1 = withPhoto(photo(GIF), read)
    expect(photoOf(with1)?.hash).toBe(read.hash)
    expect(serialize(withoutPhoto(with1), '')).toBe('<vCard xmlns="vcard-temp"><FN>A</FN></vCard>')
  })
})

describe('the avatar nodes', () => {
  test('XEP-0084 §4  hold the same picture', () => {
    const read = photoOf(photo(PNG))
    if (!read) throw new Error('no photo')
    expect(photoOfData(renderData(read))).toEqual(read)
    const metadata = renderMetadata(read)
    expect(serialize(metadata, '')).toBe(
      `<metadata xmlns="urn:xmpp:avatar:metadata"><info bytes="68" id="${read.hash}" type="image/png" width="1" height="1"/></metadata>`,
    )
    expect(hashOfMetadata(metadata)).toBe(read.hash)
    expect(hashOfMetadata(renderMetadata(undefined))).toBeUndefined()
  })

  test('XEP-0398 §3.1  the info without an address counts', () => {
    const id = 'A'.repeat(40)
    const metadata = (infos: string) => parseFragment(`<metadata xmlns='urn:xmpp:avatar:metadata'>${infos}</metadata>`)
    expect(hashOfMetadata(metadata(`<info id='${'b'.repeat(40)}' url='http://x.test/'/><info id='${id}'/>`))).toBe(id)
    expect(hashOfMetadata(metadata(`<info id='${id}' url='http://x.test/'/>`))).toBeUndefined()
    expect(hashOfMetadata(metadata("<info id='no hash'/>"))).toBeUndefined()
  })
})

describe('XEP-0398 §4  presence', () => {
  const announced = (content: string) => {
    const presence = parseFragment(`<presence xmlns='jabber:client'>${content}</presence>`)
    announce(presence, 'abc')
    return serialize(presence, 'jabber:client')
  }
  const HASH = '<x xmlns="vcard-temp:x:update"><photo>abc</photo></x>'
  test.each([
    ['nothing is said', '', HASH],
    ['the client is not ready', "<x xmlns='vcard-temp:x:update'/>", HASH],
    ['the client knows another', "<x xmlns='vcard-temp:x:update'><photo>old</photo></x>", HASH],
    [
      'the client shows none',
      '<x xmlns="vcard-temp:x:update"><photo/></x>',
      '<x xmlns="vcard-temp:x:update"><photo/></x>',
    ],
    ['other words stay', '<show>away</show>', `<show>away</show>${HASH}`],
  ])('%s', (_name, content, expected) => {
    expect(announced(content)).toBe(`<presence>${expected}</presence>`)
  })
})
