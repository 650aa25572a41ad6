/** `sacm cert`: the built-in authority, the server's certificate, and the DNS records that lead to it. */

import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { ensureCa } from '../../certs/ca.ts'
import {
  type ClientCertificate,
  issueClientCertificate,
  type ListedCertificate,
  listClientCertificates,
} from '../../certs/client.ts'
import { srvRecords } from '../../certs/dns.ts'
import { CertificateError } from '../../certs/errors.ts'
import { importHostCertificate, removeHostCertificate } from '../../certs/hosts.ts'
import { importServerCertificate, removeImportedCertificate } from '../../certs/import.ts'
import { ensureServerCertificate } from '../../certs/issue.ts'
import { certificateDir } from '../../server/certificates.ts'
import type { Config } from '../../server/config.ts'
import { AdministrationError, callControl } from '../../server/control.ts'
import { type Jid, JidError, parseJid } from '../../server/stanza/jid.ts'
import { administer } from './administer.ts'
import { CliError, EXIT } from './exit.ts'
import { print, printJson, printTable } from './output.ts'
import { readConfig, type SharedFlags, withSharedFlags } from './settings.ts'

export function certCommand(cert: Command): void {
  withSharedFlags(cert.command('ca'))
    .description('Show the built-in authority that clients are to trust; it is made when missing.')
    .option('--export [file]', 'write its certificate (PEM) to a file, or to stdout')
    .option('--json', 'print one JSON object')
    .action((flags: SharedFlags & { export?: string | true; json?: true }) => {
      const { certPem, certificate, isNew } = readable(() => ensureCa(certificateDir(readConfig(flags)['data.dir'])))
      if (flags.export === true) process.stdout.write(certPem)
      else if (flags.export !== undefined) {
        writeFileSync(flags.export, certPem)
        print(`wrote ${flags.export}`)
      } else if (flags.json) printJson({ ...summary(certificate), isNew })
      else showCertificate(certificate, isNew ? 'made now' : 'the authority')
    })

  withSharedFlags(cert.command('server'))
    .description("Show the server's certificate, or put the operator's own in its place.")
    .option('--import <files...>', 'CHAIN.pem KEY.pem: use this certificate (first, then its issuers) with this key')
    .option('--issue', 'go back to a certificate of the built-in authority')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nA running server takes a change at once; its sessions go on undisturbed.')
    .action(async (flags: SharedFlags & { import?: string[]; issue?: true; json?: true }) => {
      const config = readConfig(flags)
      const dir = certificateDir(config['data.dir'])
      if (flags.import !== undefined) {
        const [chainFile, keyFile, ...rest] = flags.import
        if (chainFile === undefined || keyFile === undefined || rest.length > 0) {
          throw new CliError(EXIT.misuse, '--import takes two files: the certificate chain and its key')
        }
        const imported = readable(() =>
          importServerCertificate(dir, readFileSync(chainFile, 'utf8'), readFileSync(keyFile, 'utf8'), config.domain),
        )
        for (const warning of imported.warnings) process.stderr.write(`warning: ${warning}\n`)
      } else if (flags.issue) {
        removeImportedCertificate(dir)
      }
      const current = readable(() => ensureServerCertificate(dir, config.domain))
      const isTaken = flags.import !== undefined || flags.issue ? await reload(config) : undefined
      const certificate = new X509Certificate(current.cert)
      if (flags.json) {
        printJson({
          ...summary(certificate),
          source: current.source,
          warnings: current.warnings,
          ...(isTaken === undefined ? {} : { reloaded: isTaken }),
        })
        return
      }
      showCertificate(certificate, current.source === 'imported' ? 'imported' : 'issued by the built-in authority')
      for (const warning of current.warnings) print(`  warning   ${warning}`)
      if (isTaken !== undefined)
        print(isTaken ? 'the running server has taken it' : 'the next start of the server takes it')
    })

  withSharedFlags(cert.command('host').argument('<name>', 'a further name that clients connect to'))
    .description('Serve a certificate of its own to clients that ask for this name (SNI).')
    .option('--import <files...>', 'CHAIN.pem KEY.pem: use this certificate (first, then its issuers) with this key')
    .option('--remove', "serve this name with the server's certificate again")
    .action(async (name: string, flags: SharedFlags & { import?: string[]; remove?: true }) => {
      const config = readConfig(flags)
      const dir = certificateDir(config['data.dir'])
      const [chainFile, keyFile, ...rest] = flags.import ?? []
      if (flags.remove) {
        if (!readable(() => removeHostCertificate(dir, name))) throw new CliError(EXIT.bad, `${name} has none`)
      } else {
        if (chainFile === undefined || keyFile === undefined || rest.length > 0)
          throw new CliError(EXIT.misuse, '--import takes two files: the certificate chain and its key')
        const { warnings } = readable(() =>
          importHostCertificate(dir, name, readFileSync(chainFile, 'utf8'), readFileSync(keyFile, 'utf8')),
        )
        for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`)
      }
      print((await reload(config)) ? 'the running server has taken it' : 'the next start of the server takes it')
    })

  withSharedFlags(cert.command('issue').argument('<user>', 'user@domain, or the user alone'))
    .description("Issue a certificate to log in with (SASL EXTERNAL) for a user's client.")
    .option('--days <n>', 'how long it is good', wholeDays, 365)
    .option('--out <dir>', 'where USER.crt and USER.key are written', '.')
    .option('--json', 'print one JSON object')
    .action((user: string, flags: SharedFlags & { days: number; out: string; json?: true }) => {
      const config = readConfig(flags)
      const { local, bare } = accountOf(user, config.domain)
      const issued = readable(() => issueClientCertificate(certificateDir(config['data.dir']), bare, flags.days))
      const files = { cert: join(flags.out, `${fileName(local)}.crt`), key: join(flags.out, `${fileName(local)}.key`) }
      readable(() => {
        writeFileSync(files.key, issued.key, { mode: 0o600, flag: 'wx' })
        writeFileSync(files.cert, issued.cert)
      })
      const { serial, jid, notAfter } = issued
      if (flags.json) printJson({ serial, jid, notAfter: new Date(notAfter).toISOString(), ...files })
      else print(`wrote ${files.cert} and ${files.key} for ${jid}; serial number ${serial}`)
    })

  withSharedFlags(cert.command('revoke').argument('<what>', 'a serial number, or a user for all its certificates'))
    .description("Revoke certificates of clients; the accounts' sessions and tokens end.")
    .option('--json', 'print one JSON array')
    .action(async (what: string, flags: SharedFlags & { json?: true }) => {
      // The verb's own result, see administration.ts.
      const revoked = (await administer(readConfig(flags), 'cert.revoke', { what })) as readonly ClientCertificate[]
      if (flags.json) printJson(revoked)
      else for (const { serial, jid } of revoked) print(`revoked ${serial} of ${jid}`)
    })

  withSharedFlags(cert.command('list'))
    .description('List the certificates issued to clients.')
    .option('--json', 'print one JSON array')
    .action((flags: SharedFlags & { json?: true }) => {
      const listed = listClientCertificates(certificateDir(readConfig(flags)['data.dir']))
      if (flags.json) printJson(listed)
      else
        printTable(
          ['serial', 'account', 'good until', 'state'],
          listed.map((each) => [each.serial, each.jid, new Date(each.notAfter).toISOString(), stateOf(each)]),
        )
    })

  withSharedFlags(cert.command('srv'))
    .description("Print the SRV records for the domain's zone file (RFC 6120 §3.2.1, XEP-0368).")
    .option('--target <host>', 'the host that the server runs on (default: the domain)')
    .action((flags: SharedFlags & { target?: string }) => {
      const config = readConfig(flags)
      print(srvRecords(config.domain, { c2s: config['c2s.port'], tls: config['tls.port'] }, flags.target))
    })
}

function accountOf(user: string, domain: string): Jid {
  try {
    const jid = parseJid(user.includes('@') ? user : `${user}@${domain}`)
    if (jid.local !== '' && jid.resource === '' && jid.domain === parseJid(domain).domain) return jid
  } catch (error) {
    if (!(error instanceof JidError)) throw error
  }
  throw new CliError(EXIT.misuse, `${user} is not the address of an account: user@${domain}`)
}

/** A local part may hold what a file's name must not. */
function fileName(local: string): string {
  return encodeURIComponent(local).replace(/^\.+/, (dots) => '%2E'.repeat(dots.length))
}

function wholeDays(text: string): number {
  const days = Number(text)
  if (!/^\d{1,5}$/.test(text) || days < 1) throw new CliError(EXIT.misuse, `${text} is not a number of days`)
  return days
}

function stateOf({ notAfter, revokedAt }: ListedCertificate): string {
  if (revokedAt !== undefined) return `revoked ${new Date(revokedAt).toISOString()}`
  return notAfter < Date.now() ? 'expired' : 'good'
}

/** Tells the running server; false when none runs. */
async function reload(config: Config): Promise<boolean> {
  try {
    return (await callControl(config['data.dir'], 'server.reload', {})) !== undefined
  } catch (error) {
    if (error instanceof AdministrationError) throw new CliError(EXIT.bad, error.message, undefined, { cause: error })
    throw error
  }
}

/** Faults of files and certificates, in the words of their thrower. */
function readable<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (error instanceof CertificateError) throw new CliError(EXIT.bad, error.message, error.remedy, { cause: error })
    if (error instanceof Error && 'code' in error)
      throw new CliError(EXIT.misuse, error.message, undefined, { cause: error })
    throw error
  }
}

function summary(certificate: X509Certificate): Readonly<Record<string, string>> {
  return {
    subject: certificate.subject,
    issuer: certificate.issuer,
    names: certificate.subjectAltName ?? '',
    notBefore: certificate.validFromDate.toISOString(),
    notAfter: certificate.validToDate.toISOString(),
    sha256: certificate.fingerprint256,
  }
}

function showCertificate(certificate: X509Certificate, title: string): void {
  const { subject, issuer, names, notBefore, notAfter, sha256 } = summary(certificate)
  print(`${subject}  (${title})`)
  print(`  issuer    ${issuer}`)
  if (names) print(`  names     ${names}`)
  print(`  valid     ${notBefore} to ${notAfter}`)
  print(`  sha-256   ${sha256}`)
}
