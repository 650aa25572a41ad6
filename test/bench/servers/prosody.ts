/** Prosody with the modules of its shipped configuration that a client meets, minus rate limits, without s2s. */

import { createHash, createHmac, pbkdf2Sync, randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { certificateIn, makeCertificate } from './certificate.ts'
import { type Accounts, DOMAIN, findProgram, freePort, launch, PUBSUB, type ServerKind } from './server.ts'

const GET = 'apt-get install --no-install-recommends prosody lua-sec lua-dbi-sqlite3'
const ITERATIONS = 10_000

export function prosody(storage: 'internal' | 'sqlite'): ServerKind {
  return {
    name: storage === 'internal' ? 'prosody' : 'prosody-sqlite',
    hasNoPages: true,
    maxItems: '1000000',
    acknowledges: storage === 'internal' ? 'after write() to its own files' : 'after COMMIT of SQLite',
    missing: () => (findProgram('prosody') ? undefined : `prosody: ${GET}`),
    prepare: (folder, accounts) => {
      makeCertificate(folder)
      makeAccounts(folder, accounts)
      return Promise.resolve()
    },
    start: async (folder, cores) => {
      const port = await freePort()
      writeFileSync(join(folder, 'prosody.cfg.lua'), configuration(folder, storage, port))
      return await launch({
        command: findProgram('prosody') ?? 'prosody',
        args: ['-F', '--config', join(folder, 'prosody.cfg.lua')],
        log: join(folder, 'bench.log'),
        cores,
        port,
        ca: certificateIn(folder).ca,
      })
    },
  }
}

function configuration(folder: string, storage: 'internal' | 'sqlite', port: number): string {
  const { cert, key } = certificateIn(folder)
  return `
run_as_root = true
daemonize = false
pidfile = "${folder}/prosody.pid"
data_path = "${folder}/data"
log = { warn = "*console" }
admins = { "u0@${DOMAIN}" }
modules_enabled = { "disco", "roster", "saslauth", "tls", "blocklist", "bookmarks", "carbons", "pep", "private",
  "smacks", "vcard4", "vcard_legacy", "csi_simple", "ping", "register", "time", "uptime", "version" }
modules_disabled = { "s2s" }
allow_registration = false
authentication = "internal_hashed"
interfaces = { "127.0.0.1" }
c2s_ports = {}
c2s_direct_tls_ports = { ${port} }
ssl = { certificate = "${cert}", key = "${key}" }
c2s_direct_tls_ssl = { certificate = "${cert}", key = "${key}" }
storage = { accounts = "internal", roster = "internal", pubsub = "${storage === 'internal' ? 'internal' : 'sql'}"${storage === 'internal' ? '' : `, pubsub_data = "sql"`} }
sql = { driver = "SQLite3", database = "${folder}/prosody.sqlite" }
VirtualHost "${DOMAIN}"
Component "${PUBSUB}" "pubsub"
  pubsub_max_items = 1000000
${storage === 'sqlite' ? '  storage = "sql"\n' : ''}`
}

/** Written as its own store would: one file per account. One salt will do, no password is guessed here. */
function makeAccounts(folder: string, { count, password }: Accounts): void {
  const salt = randomUUID()
  const salted = pbkdf2Sync(password, salt, ITERATIONS, 20, 'sha1')
  const hmac = (key: Buffer, text: string): Buffer => createHmac('sha1', key).update(text).digest()
  const storedKey = createHash('sha1').update(hmac(salted, 'Client Key')).digest('hex')
  const serverKey = hmac(salted, 'Server Key').toString('hex')
  const text = `return {
	["iteration_count"] = ${ITERATIONS};
	["salt"] = "${salt}";
	["stored_key"] = "${storedKey}";
	["server_key"] = "${serverKey}";
};
`
  const accounts = join(folder, 'data', DOMAIN, 'accounts')
  mkdirSync(accounts, { recursive: true })
  for (let at = 0; at < count; at++) writeFileSync(join(accounts, `u${at}.dat`), text)
}
