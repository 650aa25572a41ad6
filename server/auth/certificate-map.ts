/**
 * The operator's own list of which certificate is whose: a line for each, an account and what its certificate has.
 *
 *   # account          what
 *   web1@lab.example   sha256:9F:86:D0:…        the fingerprint of the certificate
 *   carol              email:carol@corp.example
 *   dave               commonName:Dave Miller
 *   web2               srvName:_xmpp-client.web2.lab.example
 */

import { readFileSync } from 'node:fs'
import { CertificateError } from '../../certs/errors.ts'
import type { OwnerNames } from '../../certs/names.ts'
import { tryParseJid } from '../stanza/jid.ts'

export type CertificateMap = ReadonlyMap<string, readonly string[]>

const KINDS = ['sha256', 'email', 'commonName', 'srvName'] as const
const FORM = `Give a file whose lines are an account and ${KINDS.join(', ')}, each with a colon and its value.`

/** @throws CertificateError naming the file, and the line that is none of the above */
export function readCertificateMap(file: string): CertificateMap {
  const map = new Map<string, string[]>()
  for (const [at, line] of textOf(file).split('\n').entries()) {
    const text = line.trim()
    if (text === '' || text.startsWith('#')) continue
    const match = /^(\S+)\s+(\w+):\s*(.+)$/.exec(text)
    const kind = KINDS.find((each) => each === match?.[2])
    const account = match?.[1] ?? ''
    if (!match || !kind || (account.includes('@') && !tryParseJid(account)))
      throw new CertificateError(`${file}:${at + 1}: no account, or none of its kinds`, FORM)
    const key = keyOf(kind, match[3] ?? '')
    map.set(key, [...(map.get(key) ?? []), account])
  }
  return map
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new CertificateError(`external.mapFile: ${error instanceof Error ? error.message : String(error)}`, FORM, {
      cause: error,
    })
  }
}

/** The accounts that the list gives to a certificate: addresses, or local parts. */
export function mappedAccounts(map: CertificateMap, fingerprint: string, names: OwnerNames): readonly string[] {
  return [
    keyOf('sha256', fingerprint),
    ...names.emails.map((email) => keyOf('email', email)),
    ...names.commonNames.map((name) => keyOf('commonName', name)),
    ...names.srv.map((name) => keyOf('srvName', name)),
  ].flatMap((key) => map.get(key) ?? [])
}

function keyOf(kind: (typeof KINDS)[number], value: string): string {
  switch (kind) {
    case 'sha256':
      return `sha256:${value.replaceAll(':', '').toUpperCase()}`
    case 'email':
      // RFC 5280 §7.5: the host part of a mailbox is compared without its case.
      return `email:${value.replace(/@.*$/, (host) => host.toLowerCase())}`
    case 'srvName':
      return `srvName:${value.toLowerCase()}`
    case 'commonName':
      return `commonName:${value}`
  }
}
