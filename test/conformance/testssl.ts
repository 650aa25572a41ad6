/**
 * Debian's testssl.sh on every TLS port of a server: prints a grade and every finding; those that are not on the list below make it
 * fail. Run by `npm run testssl`; takes about four minutes.
 */

import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startServer, type TestServer } from '../support/server.ts'

/** What follows from an authority of one's own, by testssl.sh's name for it. */
const KEPT: ReadonlyMap<string, string> = new Map([
  [
    'cert_revocation',
    'no address of a revocation list in the certificate: the authority is the server itself, so a list it would hand out says no more than the server already does',
  ],
])
const RUN_TIMEOUT_MS = 420_000
/** testssl.sh could not do one of its own checks, as when the machine is busy: the port is tried once more. */
const TRIES = 2

interface Port {
  readonly name: string
  readonly args: readonly string[]
}

/** A row of testssl.sh's flat JSON. */
interface Finding {
  readonly id: string
  readonly severity: string
  readonly finding: string
}

function portsOf({ ports, domain }: TestServer): readonly Port[] {
  const direct = `${domain}:${ports.tls}`
  const starttls = ['--starttls', 'xmpp', '--xmpphost', domain, `${domain}:${ports.c2s}`]
  return [
    { name: 'c2s, STARTTLS', args: starttls },
    { name: 'c2s, direct TLS', args: [direct] },
    { name: 'HTTPS', args: [`https://${domain}:${ports.https}/.well-known/host-meta`] },
  ]
}

/** Prints what was found. @returns nothing was, but what is kept */
async function examine(port: Port, caFile: string): Promise<boolean> {
  let findings: readonly Finding[] = []
  for (let tries = 0; tries < TRIES; tries++) {
    findings = await run(port, caFile)
    if (!findings.some(({ severity }) => severity === 'WARN')) break
  }
  const bad = findings.filter(({ severity }) => !['OK', 'INFO', 'DEBUG'].includes(severity))
  const lines = bad.map(
    ({ id, severity, finding }) =>
      `  ${severity} ${id}: ${finding}${KEPT.has(id) ? `\n    kept: ${KEPT.get(id)}` : ''}`,
  )
  const isClean = bad.every(({ id }) => KEPT.has(id))
  process.stdout.write(
    `${port.name}: ${gradeOf(findings)}; ${findings.length} checks, ${isClean ? 'nothing that is not kept' : 'FINDINGS'}\n${lines.map((line) => `${line}\n`).join('')}`,
  )
  return isClean
}

async function run({ name, args }: Port, caFile: string): Promise<readonly Finding[]> {
  const folder = mkdtempSync(join(tmpdir(), 'sacm-testssl-'))
  const file = join(folder, 'findings.json')
  const options = ['--quiet', '--color', '0', '--warnings', 'batch', '--nodns', 'min', '--ip', '127.0.0.1']
  try {
    await new Promise<void>((resolve, reject) => {
      // Its exit code counts findings. A reading end that gives nothing: it would ask questions otherwise.
      const child = execFile(
        'testssl',
        [...options, '--add-ca', caFile, '--jsonfile', file, ...args],
        { cwd: folder, timeout: RUN_TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 },
        (error, stdout) => {
          if (error?.code === 'ENOENT') reject(new Error('needs testssl: apt-get install testssl.sh', { cause: error }))
          else if (error?.killed || !existsSync(file) || !stdout.includes('Done ')) {
            reject(new Error(`testssl.sh did not end well on ${name}:\n${stdout.slice(-2000)}`, { cause: error }))
          } else resolve()
        },
      )
      child.stdin?.end()
    })
    // Its shape is testssl.sh's own; a grade that is not a number shows when it is another.
    return JSON.parse(readFileSync(file, 'utf8')) as Finding[]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * testssl.sh's own grade where it gives one (3.2 does, Debian's 3.0 does not), otherwise that of the SSL Server Rating Guide 2009q it
 * follows, from what it found: 30 % protocols, 30 % key, 40 % ciphers, each the mean of best and worst.
 */
function gradeOf(findings: readonly Finding[]): string {
  const of = (id: string): string => findings.find((one) => one.id === id)?.finding ?? ''
  if (of('overall_grade') !== '') return `grade ${of('overall_grade')}`
  const isOffered = (id: string): boolean => of(id).startsWith('offered')
  const protocols = [
    ['SSLv2', 0],
    ['SSLv3', 80],
    ['TLS1', 90],
    ['TLS1_1', 95],
    ['TLS1_2', 100],
    ['TLS1_3', 100],
  ] as const
  const bits = findings.flatMap(({ id, finding }) => {
    const found = id.startsWith('cipher_x') ? /\s(\d+)\s+\S+\s*$/.exec(finding)?.[1] : undefined
    return found === undefined ? [] : [Number(found)]
  })
  const keyBits = Number(/^EC (\d+) bits/.exec(of('cert_keySize'))?.[1])
  const score = Math.floor(
    0.3 * middle(protocols.filter(([id]) => isOffered(id)).map(([, points]) => points)) +
      0.3 * (keyBits >= 384 ? 100 : keyBits >= 256 ? 90 : 0) +
      0.4 * middle(bits.map((size) => (size >= 256 ? 100 : size >= 128 ? 80 : size > 0 ? 20 : 0))),
  )
  const isTrusted = of('cert_chain_of_trust').startsWith('passed') && of('cert_trust').startsWith('Ok')
  return `grade ${isTrusted ? letterFor(score) : 'T'} (${score} of 100 by the SSL Server Rating Guide)`
}

const middle = (points: readonly number[]): number => (Math.max(...points) + Math.min(...points)) / 2

function letterFor(score: number): string {
  if (score >= 80) return 'A'
  if (score >= 65) return 'B'
  return score >= 50 ? 'C' : 'F'
}

const server = await startServer({ set: { 'https.hstsSeconds': '31536000' } })
try {
  const results = await Promise.all(portsOf(server).map((port) => examine(port, server.caFile)))
  process.exitCode = results.every(Boolean) ? 0 : 1
} finally {
  await server.stop()
}
