/** Which hash binds to a certificate, for every kind of signature that OpenSSL makes here. RFC 5929 §4.1. */

import { execFileSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { endPointBinding } from '../../../server/auth/channel-binding.ts'
import { needTool } from '../../support/tools.ts'

function selfSigned(options: readonly string[]): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'sacm-binding-'))
  try {
    const file = join(folder, 'cert.pem')
    const args = ['req', '-x509', '-nodes', '-subj', '/CN=test', '-keyout', join(folder, 'key.pem'), '-out', file]
    execFileSync('openssl', [...args, ...options], { stdio: 'ignore' })
    return new X509Certificate(readFileSync(file)).raw
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const RSA = ['-newkey', 'rsa:2048']
const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
const PSS = ['-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:32']

describe('tls-server-end-point', () => {
  test.for([
    ['ECDSA with SHA-256', [...EC, '-sha256'], 'sha256'],
    ['ECDSA with SHA-384', [...EC, '-sha384'], 'sha384'],
    ['RSA with SHA-256', [...RSA, '-sha256'], 'sha256'],
    ['RSA with SHA-512', [...RSA, '-sha512'], 'sha512'],
    ['RSA with SHA-1, which is too weak', [...RSA, '-sha1'], 'sha256'],
    ['RSASSA-PSS with SHA-256', [...RSA, '-sha256', ...PSS], 'sha256'],
    ['RSASSA-PSS with SHA-384', [...RSA, '-sha384', ...PSS], 'sha384'],
    ['Ed25519, which has no hash of its own', ['-newkey', 'ed25519'], undefined],
  ] as const)('%s', ([, options, hash], context) => {
    needTool(context, ['openssl', 'version'], 'apt-get install openssl')
    const certificate = selfSigned(options)
    expect(endPointBinding(certificate)).toEqual(hash && createHash(hash).update(certificate).digest())
  })
})
