/** Several processes that need the authority of one folder at the same time get the same one. */

import { execFile } from 'node:child_process'
import { createPublicKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { caCertFile, caKeyFile, ensureCa } from '../../../certs/ca.ts'
import { createFile, readIfPresent, replaceFile } from '../../../certs/files.ts'
import { issuedFile } from '../../../certs/issue.ts'
import { splitPem } from '../../../certs/pem.ts'

const run = promisify(execFile)
const ISSUE = new URL('../../../certs/issue.ts', import.meta.url).href

test('the first key stays, and every certificate handed out is of it', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'race-'))
  try {
    const script = `import(process.argv[1]).then(({ ensureServerCertificate }) =>
      process.stdout.write(ensureServerCertificate(process.argv[2], 'a.test').cert))`
    const processes = Array.from({ length: 4 }, () =>
      run(process.execPath, ['--eval', script, ISSUE, dir], { timeout: 60_000 }),
    )
    const certificates = (await Promise.all(processes)).map(({ stdout }) => new X509Certificate(stdout))
    const ca = ensureCa(dir)
    expect(ca.isNew).toBe(false)
    for (const certificate of certificates) expect(certificate.verify(ca.publicKey)).toBe(true)
    const { cert, key } = splitPem(readFileSync(issuedFile(dir), 'utf8'))
    expect(new X509Certificate(cert).publicKey.equals(createPublicKey(key))).toBe(true)
    expect(readdirSync(dir).sort()).toEqual(['ca.crt', 'ca.key', 'server.pem'])
    expect(new X509Certificate(readFileSync(caCertFile(dir))).publicKey.equals(ca.publicKey)).toBe(true)
    expect(createPublicKey(readFileSync(caKeyFile(dir))).equals(ca.publicKey)).toBe(true)
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test('a file is created once, replaced whole, and absent without fuss', () => {
  const dir = mkdtempSync(join(tmpdir(), 'files-'))
  try {
    const file = join(dir, 'deep', 'file')
    expect(readIfPresent(file)).toBeUndefined()
    expect(createFile(file, 'first', 0o600)).toBe(true)
    expect(createFile(file, 'second', 0o600)).toBe(false)
    expect(readIfPresent(file)).toBe('first')
    replaceFile(file, 'third', 0o600)
    expect(readIfPresent(file)).toBe('third')
    expect(readdirSync(join(dir, 'deep'))).toEqual(['file'])
    expect(() => readIfPresent(join(dir, 'deep'))).toThrow(/EISDIR/)
  } finally {
    rmSync(dir, { recursive: true })
  }
})
