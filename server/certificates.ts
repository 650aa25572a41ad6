/** What the server shows and trusts in TLS, as the configuration and the data folder state it. DESIGN decision 8. */

import { join } from 'node:path'
import { readHostCertificates } from '../certs/hosts.ts'
import { ensureServerCertificate } from '../certs/issue.ts'
import { ClientCertificates } from './auth/certificates.ts'
import type { Config } from './config.ts'
import type { Logger } from './log.ts'
import type { TlsMaterial } from './net/tls.ts'

/** In the data folder. */
export const certificateDir = (dataDir: string): string => join(dataDir, 'certs')

/** Whose client certificates are taken, and for whom. @throws CertificateError naming the file */
export function openCertificates(config: Config, domain: string, log: Logger): ClientCertificates {
  const certificates = new ClientCertificates({
    dir: certificateDir(config['data.dir']),
    domain,
    mappings: config['external.mappings'],
    mapFile: config['external.mapFile'] || undefined,
    trust: {
      authorityFiles: config['tls.clientCas'],
      crlFiles: config['tls.clientCrls'],
      revocation: config['external.revocation'],
    },
  })
  for (const warning of certificates.warnings) log.warn({ what: 'certificate_warning', warning })
  return certificates
}

/** The operator's certificate, or one of our own authority, renewed here when it is due. */
export function readTls(dataDir: string, domain: string, certificates: ClientCertificates, log: Logger): TlsMaterial {
  const { cert, key, isNew, warnings } = ensureServerCertificate(certificateDir(dataDir), domain)
  if (isNew) log.info({ what: 'certificate_issued', domain })
  for (const warning of warnings) log.warn({ what: 'certificate_warning', warning })
  const warn = (warning: string): void => log.warn({ what: 'certificate_warning', warning })
  const others = readHostCertificates(certificateDir(dataDir), warn)
  for (const { name, warnings: lacks } of others) for (const lack of lacks) warn(`${name}: ${lack}`)
  return { cert, key, clientCa: certificates.authorities, others }
}
