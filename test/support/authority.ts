/** An authority made with OpenSSL, root and intermediate, that issues client certificates and lists what it revoked. */

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface IssuedFiles {
  readonly cert: string
  readonly key: string
}

/** Files of one authority; the key is P-256 unless it is to be RSA. */
export class Authority {
  readonly folder: string
  readonly cert: string
  readonly #key: string
  readonly #config: string
  readonly #isRsa: boolean
  #issued = 0

  /** @param issuer  signs it; left out: a root */
  constructor(name: string, options: { readonly issuer?: Authority; readonly rsa?: boolean } = {}) {
    this.folder = mkdtempSync(join(tmpdir(), 'sacm-authority-'))
    this.cert = join(this.folder, 'ca.crt')
    this.#key = join(this.folder, 'ca.key')
    this.#isRsa = options.rsa ?? false
    this.#config = join(this.folder, 'ca.cnf')
    mkdirSync(join(this.folder, 'new'))
    for (const [file, text] of [
      ['index.txt', ''],
      ['serial', '00F1\n'],
      ['crlnumber', '01\n'],
      ['ca.cnf', CONFIG.replaceAll('FOLDER', this.folder)],
    ] as const)
      writeFileSync(join(this.folder, file), text)
    this.#newKey(this.#key)
    const request = join(this.folder, 'ca.csr')
    openssl('req', '-new', '-key', this.#key, '-subj', `/CN=${name}`, '-out', request, '-config', this.#config)
    const signer = options.issuer ?? this
    signer.#sign(request, this.cert, 'authority', options.issuer ? [] : ['-selfsign'])
  }

  /** A certificate for a client. @param names  as subjectAltName takes them; none: no such extension */
  issue(commonName: string, names: string | undefined, days = 30): IssuedFiles {
    const base = join(this.folder, `client${++this.#issued}`)
    const files = { cert: `${base}.crt`, key: `${base}.key` }
    this.#newKey(files.key)
    const request = `${base}.csr`
    openssl('req', '-new', '-key', files.key, '-subj', `/CN=${commonName}`, '-out', request, '-config', this.#config)
    const extensions = `${base}.ext`
    const alternative = names === undefined ? '' : `subjectAltName=${names}\n`
    writeFileSync(extensions, `basicConstraints=critical,CA:false\nextendedKeyUsage=clientAuth\n${alternative}`)
    this.#sign(request, files.cert, undefined, ['-extfile', extensions, '-days', String(days)])
    return files
  }

  revoke({ cert }: IssuedFiles): void {
    openssl('ca', '-config', this.#config, '-revoke', cert)
  }

  /** Writes the list of what is revoked. @returns its file */
  list(options: { readonly isExpired?: boolean; readonly isDer?: boolean; readonly name?: string } = {}): string {
    const file = join(this.folder, options.name ?? 'list.crl')
    const time = options.isExpired
      ? ['-crl_lastupdate', '20200101000000Z', '-crl_nextupdate', '20200201000000Z']
      : ['-crldays', '1']
    openssl('ca', '-config', this.#config, '-gencrl', ...time, '-out', file)
    if (options.isDer) openssl('crl', '-in', file, '-outform', 'DER', '-out', file)
    return file
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  #newKey(file: string): void {
    const kind = this.#isRsa
      ? ['RSA', '-pkeyopt', 'rsa_keygen_bits:2048']
      : ['EC', '-pkeyopt', 'ec_paramgen_curve:P-256']
    openssl('genpkey', '-algorithm', ...kind, '-out', file)
  }

  #sign(request: string, out: string, section: string | undefined, more: readonly string[]): void {
    const extensions = section === undefined ? [] : ['-extensions', section]
    openssl('ca', '-batch', '-notext', '-config', this.#config, '-in', request, '-out', out, ...extensions, ...more)
  }
}

const CONFIG = `[ca]
default_ca = here
[here]
dir = FOLDER
database = FOLDER/index.txt
serial = FOLDER/serial
crlnumber = FOLDER/crlnumber
new_certs_dir = FOLDER/new
certificate = FOLDER/ca.crt
private_key = FOLDER/ca.key
default_md = sha256
default_days = 30
unique_subject = no
policy = any
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
`.replace('[ca]\nbasic', '[authority]\nbasic')

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
