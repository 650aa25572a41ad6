/** What cannot be brought about from outside: a disk without room. The media types and digests by table. */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { FileStore } from '../../../modules/upload/files.ts'
import { receiver } from '../../../modules/upload/http.ts'
import { mediaType, servedType, statedDigest } from '../../../modules/upload/media.ts'
import type { Storage } from '../../../server/module/api.ts'
import { silent } from '../stream/harness.ts'

const SLOT = { id: 'slot', name: 'a', size: 4, contentType: undefined, sha256: undefined, expiresAt: 1000 }

test('a full disk is answered with 507, and nothing stays there', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sacm-upload-'))
  try {
    const files = new FileStore(folder)
    files.open([])
    const storage: Storage = {
      // The one operation that is run finds the slot.
      run: async () => SLOT as never,
      submit: () => Promise.reject(new Error('nothing is written')),
      scan: () => Promise.reject(new Error('nothing is scanned')),
      epoch: 0,
      submitted: 0,
      settled: () => undefined,
      close: async () => {},
    }
    const put = receiver({ storage, files, clock: { now: () => 0 }, log: silent, uploadsMax: 1 })
    const body = new Readable({ read: () => {} })
    body.on('error', () => {})
    body.push(Buffer.from('ab'))
    const answer = put({
      params: { id: 'slot', name: 'a' },
      query: new URLSearchParams(),
      headers: { 'content-length': '4' },
      remoteAddress: '',
      body,
    })
    await expect.poll(() => readdirSync(folder), { interval: 5 }).toEqual(['slot.part'])
    body.destroy(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }))
    expect((await answer).status).toBe(507)
    expect(readdirSync(folder)).toEqual([])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test.each([
  ['image/png', 'image/png', 'image/png'],
  ['Image/PNG; q=1', 'image/png', 'image/png'],
  ['video/mp4', 'video/mp4', 'video/mp4'],
  ['image/svg+xml', 'image/svg+xml', 'application/octet-stream'],
  ['audio/x+xml', 'audio/x+xml', 'application/octet-stream'],
  ['text/html', 'text/html', 'application/octet-stream'],
  ['text/plain\r\nx: y', undefined, 'application/octet-stream'],
  ['text', undefined, 'application/octet-stream'],
  [`a/${'b'.repeat(300)}`, undefined, 'application/octet-stream'],
])('%j is read as %s and served as %s', (text, read, served) => {
  expect(mediaType(text)).toBe(read)
  expect(servedType(mediaType(text))).toBe(served)
})

test.each([
  ['sha-256=:YWJj:', 'YWJj'],
  ['sha-512=:eA==:, sha-256=:YWJj:', 'YWJj'],
  ['sha-512=:eA==:', undefined],
  [['sha-512=:eA==:', 'sha-256=:YWJj:'], 'YWJj'],
  [undefined, undefined],
])('the digest field %j states %s', (field, digest) => {
  expect(statedDigest(field)).toBe(digest)
})
