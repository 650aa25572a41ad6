import { execFileSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  exists,
  failed,
  MAX_NAME_CHARS,
  MAX_VALUE_BYTES,
  moment,
  ordered,
  printable,
  scalar,
} from '../../../clients/collector/probes/host/attributes.ts'
import { decode, isThere, linkTarget, list, readText } from '../../../clients/collector/probes/host/files.ts'
import { findProgram, runProgram } from '../../../clients/collector/probes/host/programs.ts'
import { hostTree } from './host-tree.ts'

const signal = AbortSignal.timeout(60_000)

describe('attributes', () => {
  test('escapes what XML cannot carry and keeps the rest', () => {
    expect(printable('a\tb\nc')).toBe('a\tb\nc')
    expect(printable('\x00\x1b[0m\r\x7f\x85\ufffe')).toBe('\\x00\\x1b[0m\\x0d\\x7f\\x85\\ufffe')
    expect(printable('\ud800x 😀 ü')).toBe('\\ud800x 😀 ü')
    expect(exists('a.\n\tb', 'x').name).toBe('a.\\x0a\\x09b')
  })

  test('every name and value is text that XML 1.0 allows, within the bounds', () => {
    const forbidden = /[^\t\n\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 700 }), fc.string({ unit: 'binary' }), (name, value) => {
        const attribute = exists(name, value)
        expect(attribute.name).not.toMatch(forbidden)
        expect(attribute.name).not.toMatch(/[\t\n]/)
        expect(attribute.name.length).toBeLessThanOrEqual(MAX_NAME_CHARS)
        expect(attribute.value ?? '').not.toMatch(forbidden)
      }),
      { seed: 7, numRuns: 300 },
    )
  })

  test('a value that is too long is an error that states its length, never cut', () => {
    expect(exists('a', 'x'.repeat(MAX_VALUE_BYTES)).status).toBe('exists')
    expect(exists('a', 'ü'.repeat(MAX_VALUE_BYTES))).toEqual({
      name: 'a',
      value: undefined,
      type: 'string',
      status: 'error',
      reason: 'value too long: 16384 bytes, at most 8192 are reported',
    })
    expect(exists('a', '\x01'.repeat(MAX_VALUE_BYTES)).status).toBe('error')
  })

  test('long names stay apart and are the same every time', () => {
    const one = exists(`file.${'a'.repeat(600)}1.mode`, '').name
    const two = exists(`file.${'a'.repeat(600)}2.mode`, '').name
    expect(one).not.toBe(two)
    expect(one).toBe(exists(`file.${'a'.repeat(600)}1.mode`, '').name)
    expect(one.length).toBe(MAX_NAME_CHARS)
  })

  test('orders by name and numbers what comes twice', () => {
    const attributes = ordered([exists('b', '1'), exists('a', '2'), exists('b', '3')])
    expect(attributes.map(({ name, value }) => `${name}=${value}`)).toEqual(['a=2', 'b=1', 'b#2=3'])
  })

  test('types: plain decimal integers only, moments in UTC', () => {
    expect(scalar('a', '022').type).toBe('string')
    expect(scalar('a', '-1').type).toBe('integer')
    expect(scalar('a', '').type).toBe('string')
    expect(moment('a', 1_732_233_600).value).toBe('2024-11-22T00:00:00Z')
    expect(moment('a', 1e20).status).toBe('error')
  })

  test('a reason is one bounded line', () => {
    const reason = failed('a', ` one\n  two\x00 ${'x'.repeat(1000)}`).reason ?? ''
    expect(reason).toMatch(/^one two\\x00 x+…$/)
    expect(reason.length).toBe(500)
  })
})

describe('files', () => {
  test('bytes that are not UTF-8 are written, not replaced', () => {
    expect(decode(Buffer.from([0x61, 0xff, 0xc3, 0xbc, 0xc3, 0xe2, 0x82]))).toBe('a\\xffü\\xc3\\xe2\\x82')
    const bytes = fc.uint8Array({ maxLength: 40 }).filter((array) => !array.includes(0x5c))
    fc.assert(
      fc.property(bytes, (array) => {
        const back = decode(Buffer.from(array)).split(/(\\x[0-9a-f]{2})/)
        const parts = back.map((part) =>
          part.startsWith('\\x') ? Buffer.from(part.slice(2), 'hex') : Buffer.from(part),
        )
        expect(Buffer.concat(parts)).toEqual(Buffer.from(array))
      }),
      { seed: 7, numRuns: 500 },
    )
  })

  test('a link is followed within the root only, as chroot would', () => {
    const root = hostTree({
      'usr/lib/os-release': 'inside',
      'etc/absolute': { link: '/usr/lib/os-release' },
      'etc/above': { link: '../../../../../../../../usr/lib/os-release' },
      lib: { link: 'usr/lib' },
      'etc/circle': { link: '/etc/circle' },
      'etc/host': { link: '/proc/self/status' },
    })
    expect(readText(root, '/etc/absolute')).toEqual({ ok: true, value: 'inside' })
    expect(readText(root, '/etc/above')).toEqual({ ok: true, value: 'inside' })
    expect(readText(root, '/lib/os-release')).toEqual({ ok: true, value: 'inside' })
    expect(readText(root, '/etc/circle')).toMatchObject({ ok: false, code: 'ELOOP' })
    expect(readText(root, '/etc/host')).toMatchObject({ ok: false, code: 'ENOENT' })
    expect(linkTarget(root, '/etc/absolute')).toEqual({ ok: true, value: '/usr/lib/os-release' })
    expect(isThere(root, '/etc/host')).toBe(true)
    expect(isThere(root, '/etc/none')).toBe(false)
  })

  test('a pipe does not hold the reader, a folder is no file, a large file is refused', () => {
    const root = hostTree({ 'etc/large': 'x'.repeat(100), 'etc/empty': '' })
    execFileSync('mkfifo', [join(root, 'etc/pipe')])
    expect(readText(root, '/etc/pipe')).toMatchObject({ ok: false, reason: '/etc/pipe: not a regular file' })
    expect(readText(root, '/etc')).toMatchObject({ ok: false, reason: '/etc: not a regular file' })
    expect(readText(root, '/etc/large', 99)).toMatchObject({ ok: false, code: 'EFBIG' })
    expect(readText(root, '/etc/large', 100)).toMatchObject({ ok: true })
    expect(readText(root, '/etc/empty')).toEqual({ ok: true, value: '' })
    expect(list(root, '/etc/none')).toMatchObject({ ok: false, code: 'ENOENT' })
  })

  test('reads a file of /proc to its end although its size says 0', () => {
    const text = readText('/', '/proc/self/status')
    expect(text.ok && text.value).toMatch(/^Name:.*voluntary_ctxt_switches/s)
  })
})

describe('programs', () => {
  test('gives exit code and output, with an environment of its own', async () => {
    process.env['SACM_TEST_SECRET'] = 'leak'
    const run = await runProgram('/', '/bin/sh', ['-c', 'env; echo oops >&2; exit 3'], signal)
    expect(run).toMatchObject({ ok: true, value: { exitCode: 3, stderr: 'oops\n' } })
    expect(run.ok && run.value.stdout).toContain('LC_ALL=C')
    expect(run.ok && run.value.stdout).not.toContain('leak')
  })

  test('its input is closed, so that nothing waits for it', async () => {
    expect(await runProgram('/', '/bin/cat', [], signal)).toMatchObject({
      ok: true,
      value: { exitCode: 0, stdout: '' },
    })
  })

  test('a program that cannot start, dies or is aborted is a failure with its reason', async () => {
    const root = hostTree({ 'bin/tool': '#!/bin/none\n' })
    const tool = join(root, 'bin/tool')
    expect(findProgram(['/none', tool])).toBeUndefined()
    chmodSync(tool, 0o755)
    expect(findProgram(['/none', tool])).toBe(tool)
    expect(await runProgram('/', tool, [], signal)).toMatchObject({
      ok: false,
      reason: expect.stringContaining('ENOENT'),
    })
    const killed = await runProgram('/', '/bin/sh', ['-c', 'kill -9 $$'], signal)
    expect(killed).toMatchObject({ ok: false, reason: '/bin/sh: killed by SIGKILL' })
    expect(await runProgram('/', '/bin/cat', [], AbortSignal.abort())).toMatchObject({ ok: false })
  })

  test('nothing of a host image is run', async () => {
    expect(await runProgram('/mnt/image', '/bin/true', [], signal)).toMatchObject({
      ok: false,
      reason: '/bin/true: not run, since /mnt/image is not the running host',
    })
  })
})
