/** ejabberd with the modules of its shipped configuration that a client meets, without shapers, started without epmd. */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { certificateIn, makeCertificate } from './certificate.ts'
import { type Accounts, DOMAIN, findProgram, freePort, launch, PUBSUB, type ServerKind } from './server.ts'

const GET = 'apt-get install --no-install-recommends ejabberd erlang-p1-sqlite3 sqlite3'
/** Debian's. */
const SCHEMA = '/usr/share/ejabberd/sql/lite.sql'
const LIBRARIES = '/usr/lib/x86_64-linux-gnu:/usr/lib/aarch64-linux-gnu'
const PREPARE_TIMEOUT_MS = 600_000

export function ejabberd(storage: 'mnesia' | 'sqlite'): ServerKind {
  return {
    name: storage === 'mnesia' ? 'ejabberd' : 'ejabberd-sqlite',
    maxItems: '1000000',
    acknowledges: storage === 'mnesia' ? 'after a Mnesia transaction' : 'after COMMIT of SQLite',
    missing: () => {
      if (!findProgram('ejabberdctl') || !findProgram('erl')) return `ejabberd: ${GET}`
      if (storage === 'sqlite' && !(existsSync(SCHEMA) && findProgram('sqlite3'))) return `${SCHEMA}, sqlite3: ${GET}`
      return undefined
    },
    prepare: async (folder, accounts) => {
      makeCertificate(folder)
      mkdirSync(join(folder, 'spool'), { recursive: true })
      if (storage === 'sqlite') {
        execFileSync('sqlite3', [join(folder, 'ejabberd.sqlite')], { input: readFileSync(SCHEMA) })
      }
      writeFileSync(join(folder, 'ejabberd.yml'), configuration(folder, storage, await freePort()))
      makeAccounts(folder, accounts)
    },
    start: async (folder, cores) => {
      const port = await freePort()
      writeFileSync(join(folder, 'ejabberd.yml'), configuration(folder, storage, port))
      return await launch({
        command: erlang(),
        args: [...argumentsFor(folder), '-s', 'ejabberd'],
        env: environment(folder),
        cwd: folder,
        log: join(folder, 'bench.log'),
        cores,
        port,
        ca: certificateIn(folder).ca,
      })
    },
  }
}

const erlang = (): string => findProgram('erl') ?? 'erl'

/** As ejabberdctl gives them. The node has no name: it talks to no other, and needs no epmd. */
function argumentsFor(folder: string): string[] {
  return ['+K', 'true', '+P', '250000', '-noinput', '-mnesia', 'dir', `"${join(folder, 'spool')}"`]
}

function environment(folder: string): NodeJS.ProcessEnv {
  return {
    ERL_LIBS: LIBRARIES,
    EJABBERD_CONFIG_PATH: join(folder, 'ejabberd.yml'),
    EJABBERD_LOG_PATH: join(folder, 'ejabberd.log'),
    ERL_CRASH_DUMP: join(folder, 'erl_crash.dump'),
    ERL_MAX_PORTS: '32000',
    ERL_MAX_ETS_TABLES: '1400',
    HOME: folder,
  }
}

function makeAccounts(folder: string, { count, password }: Accounts): void {
  const make = [
    `{ok, _} = application:ensure_all_started(ejabberd)`,
    `[ok = ejabberd_auth:try_register(iolist_to_binary(["u", integer_to_list(N)]), <<"${DOMAIN}">>, <<"${password}">>) || N <- lists:seq(0, ${count - 1})]`,
    `init:stop()`,
  ].join(', ')
  execFileSync(erlang(), [...argumentsFor(folder), '-eval', `${make}.`], {
    env: { ...process.env, ...environment(folder) },
    cwd: folder,
    timeout: PREPARE_TIMEOUT_MS,
    stdio: 'ignore',
  })
}

function configuration(folder: string, storage: 'mnesia' | 'sqlite', port: number): string {
  const { both, ca } = certificateIn(folder)
  return `
hosts: ["${DOMAIN}"]
loglevel: warning
certfiles: ["${both}"]
ca_file: "${ca}"
auth_method: [mnesia]
auth_password_format: scram
${storage === 'sqlite' ? `sql_type: sqlite\nsql_database: "${folder}/ejabberd.sqlite"\n` : ''}
listen:
  -
    port: ${port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    tls: true
    max_stanza_size: 262144
    access: all
acl:
  admin:
    user: ["u0@${DOMAIN}"]
access_rules:
  admins:
    allow: admin
s2s_access: none
modules:
  mod_adhoc: {}
  mod_blocking: {}
  mod_caps: {}
  mod_carboncopy: {}
  mod_client_state: {}
  mod_disco: {}
  mod_last: {}
  mod_offline: {}
  mod_ping: {}
  mod_privacy: {}
  mod_private: {}
  mod_pubsub:
    host: "${PUBSUB}"
    access_createnode: admins
    max_items_node: 1000000
    ${storage === 'sqlite' ? 'db_type: sql' : 'db_type: mnesia'}
    plugins: ["flat", "pep"]
    last_item_cache: false
    ignore_pep_from_offline: true
  mod_roster: {}
  mod_stream_mgmt: {}
  mod_time: {}
  mod_vcard: {}
  mod_version: {}
`
}
