/** A certificate of a test authority for the peers, of the same kind as ours: ECDSA P-256. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureServerCertificate } from '../../../certs/issue.ts'
import { DOMAIN } from './server.ts'

export interface PeerCertificate {
  readonly ca: string
  readonly cert: string
  readonly key: string
  /** Key and certificate in one file, as ejabberd wants them. */
  readonly both: string
}

/** Where `makeCertificate` leaves them. */
export function certificateIn(folder: string): PeerCertificate {
  const file = (name: string): string => join(folder, 'certs', name)
  return { ca: file('ca.crt'), cert: file('peer.crt'), key: file('peer.key'), both: file('peer.pem') }
}

export function makeCertificate(folder: string): void {
  mkdirSync(join(folder, 'certs'), { recursive: true })
  const { cert, key } = ensureServerCertificate(join(folder, 'certs'), DOMAIN)
  const files = certificateIn(folder)
  writeFileSync(files.cert, cert)
  writeFileSync(files.key, key, { mode: 0o600 })
  writeFileSync(files.both, key + cert, { mode: 0o600 })
}
