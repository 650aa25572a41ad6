/**
 * Builds the release. `node esbuild.config.ts` makes dist/sacm.js with what it needs beside it (`--out DIR` puts it
 * elsewhere), its compiled code too; with `--binary` it goes on to dist/sacm, a single executable of the pinned Node with the bundle and its assets inside (Node's single
 * executable applications). DESIGN decision 14: stripped before injection, since stripping afterwards breaks it.
 */

import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type BuildOptions, build, type Plugin } from 'esbuild'

const { values: flags } = parseArgs({
  options: { out: { type: 'string', default: 'dist' }, binary: { type: 'boolean' } },
})
const DIST = flags.out
const KEEP_COMPILED = join(import.meta.dirname, 'clients/cli/keep-compiled.cjs')
const SENTINEL = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2' // nodejs.org/api/single-executable-applications

const ENTRY = 'clients/cli/bundle.cjs'
/** What the entry runs: one on the main thread, the last on others. */
const TEXTS = ['main.cjs', 'serve.cjs', 'worker.cjs']
const WARM_TIMEOUT_MS = 60_000

/** zod brings its messages in fifty languages, of which the program speaks one; that one comes by another way. */
const oneLanguage: Plugin = {
  name: 'one-language',
  setup(bundling) {
    const namespace = 'no-locales'
    bundling.onResolve({ filter: /^\.\.\/locales\/index\.js$/ }, ({ path }) => ({ path, namespace }))
    bundling.onLoad({ filter: /.*/, namespace }, () => ({ contents: 'export {}' }))
  },
}

/** pino's way to its transports, which are not used: it looks through the stack at every start to find them. */
const noTransports: Plugin = {
  name: 'no-transports',
  setup(bundling) {
    const namespace = 'no-transports'
    bundling.onResolve({ filter: /^\.\/(lib\/)?(caller|transport)$/ }, ({ path, importer }) =>
      /\/pino\/(pino|lib\/\w+)\.js$/.test(importer) ? { path, namespace } : undefined,
    )
    bundling.onLoad({ filter: /.*/, namespace }, () => ({ contents: 'module.exports = () => undefined' }))
  },
}

/** Packages that a start has no use for: each is evaluated when something of it is first used. */
const LATE = [
  'tr46',
  're2js',
  'sax',
  'fastify',
  'smol-toml',
  'node-forge/lib/asn1.js',
  'ws',
  'assert',
  'node:child_process',
  'node:fs/promises',
  'node:http',
  'node:https',
  'node:tls',
  'node:timers/promises',
]

const late: Plugin = {
  name: 'late',
  setup(bundling) {
    const namespace = 'late'
    const require = createRequire(import.meta.url)
    bundling.onResolve({ filter: /^[a-z]/ }, ({ path, namespace: from }) =>
      from !== namespace && LATE.includes(path) ? { path, namespace } : undefined,
    )
    bundling.onLoad({ filter: /.*/, namespace }, ({ path }) => {
      const whole = require(path)
      const names = Object.keys(whole).filter((name) => name !== 'default' && name !== '__esModule')
      const getters = names.map((name) => `${name}: { get: () => require('${path}').${name} }`)
      const late = typeof whole === 'function' ? `(...args) => require('${path}')(...args)` : '{}'
      const contents = `module.exports = Object.defineProperties(${late}, { ${getters.join(', ')} })`
      return { contents, loader: 'js', resolveDir: import.meta.dirname }
    })
  },
}

const shared: BuildOptions = {
  bundle: true,
  plugins: [oneLanguage, noTransports, late],
  platform: 'node',
  target: 'node24',
  // All of the text is read and hashed at each start, a third of it being comments and indentation. Names stay, and
  // lines are short, so that a stack trace says where.
  minifyWhitespace: true,
  lineLimit: 160,
  sourcemap: false,
  legalComments: 'external',
  logLevel: 'warning',
}

/**
 * CommonJS, as the single binary: an ES module that imports `node:http` makes Node load all that hangs on it, fetch and
 * WebSocket clients among them, which took a tenth of the start.
 */
const commonJs: BuildOptions = {
  ...shared,
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
}

await main()

async function main(): Promise<void> {
  rmSync(DIST, { recursive: true, force: true })
  mkdirSync(DIST, { recursive: true })
  await buildBundle()
  if (flags.binary) await buildBinary()
}

async function buildBundle(): Promise<void> {
  await build({
    ...commonJs,
    entryPoints: { main: 'clients/cli/binary.ts', serve: 'clients/cli/serve-alone.ts', worker: 'modules/worker.ts' },
    outdir: DIST,
    banner: { js: "const sacmUrl = require('node:url').pathToFileURL(__filename).href;" },
    define: { SACM_BUILD: '"bundle"', 'import.meta.url': 'sacmUrl' },
  })
  for (const name of TEXTS) refuseWideText(join(DIST, name))
  copyFileSync(ENTRY, join(DIST, 'sacm.js'))
  chmodSync(join(DIST, 'sacm.js'), 0o755)
  // Whatever package lies around it: the entry is CommonJS.
  writeFileSync(join(DIST, 'package.json'), '{ "type": "commonjs" }\n')
  copyFileSync(addonPath(), join(DIST, 'better_sqlite3.node'))
  cpSync('migrations/sqlite', join(DIST, 'migrations'), { recursive: true })
  for (const name of baselines()) copyFileSync(join('clients/evaluator/baseline', name), join(DIST, name))
  copyFileSync('LICENSE', join(DIST, 'LICENSE'))
  await warm()
  report('main.cjs')
}

/** The entry reads ASCII; and one character beyond Latin-1 would have V8 keep the whole text in twice the bytes. */
function refuseWideText(file: string): void {
  const [found] = /.{0,40}[^\0-\x7f].{0,40}/.exec(readFileSync(file, 'utf8')) ?? []
  if (found !== undefined) throw new Error(`${file}: write the character as an escape: ${found}`)
}

/** Runs what is bundled once: on its way out the code that was compiled is written beside its text. */
async function warm(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sacm-build-'))
  const sacm = join(DIST, 'sacm.js')
  const ports = ['--c2s-port', '0', '--tls-port', '0', '--https-port', '0', '--host', '127.0.0.1']
  const serve = [sacm, 'serve', '--data-dir', folder, ...ports]
  const failed =
    (await run(serve, true)) ||
    (await run(['--require', KEEP_COMPILED, ...serve], true)) ||
    // Has in it what most of the other commands have.
    (await run(['--require', KEEP_COMPILED, sacm, 'user', 'list', '--data-dir', folder], false))
  rmSync(folder, { recursive: true, force: true })
  if (failed) process.stderr.write('the bundle was not run to keep its compiled code: it starts more slowly\n')
}

/** @param isServer  is ended as soon as it is ready @returns true when it failed */
async function run(args: readonly string[], isServer: boolean): Promise<boolean> {
  const program = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'], timeout: WARM_TIMEOUT_MS })
  program.stdout.once('data', () => isServer && program.kill('SIGTERM')).resume()
  const [code] = await once(program, 'exit')
  return code !== 0
}

async function buildBinary(): Promise<void> {
  const work = join(DIST, 'binary')
  mkdirSync(work)
  const digest = join(work, 'better_sqlite3.sha256')
  writeFileSync(digest, createHash('sha256').update(readFileSync(addonPath())).digest('hex'))
  const assets: Record<string, string> = {
    'better_sqlite3.node': addonPath(),
    'better_sqlite3.sha256': digest,
    'migrations/meta/_journal.json': 'migrations/sqlite/meta/_journal.json',
  }
  for (const text of TEXTS) {
    for (const name of [text, `${text}.compiled`]) if (existsSync(join(DIST, name))) assets[name] = join(DIST, name)
  }
  // A worker is started from text.
  assets['sacm.js'] = ENTRY
  for (const name of readdirSync('migrations/sqlite')) {
    if (name.endsWith('.sql')) assets[`migrations/${name}`] = join('migrations/sqlite', name)
  }
  for (const name of baselines()) assets[name] = join('clients/evaluator/baseline', name)
  const blob = join(work, 'sea.blob')
  writeFileSync(
    join(work, 'sea.json'),
    JSON.stringify({
      main: ENTRY,
      output: blob,
      disableExperimentalSEAWarning: true,
      useSnapshot: false,
      // What Node would keep is of the entry alone, which brings its own for the rest.
      useCodeCache: false,
      execArgv: nodeOptions(),
      assets,
    }),
  )
  execFileSync(process.execPath, ['--experimental-sea-config', join(work, 'sea.json')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })

  const binary = join(DIST, 'sacm')
  copyFileSync(realpathSync(process.execPath), binary)
  chmodSync(binary, 0o755)
  strip(binary)
  execFileSync('node_modules/.bin/postject', [binary, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', SENTINEL], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  rmSync(work, { recursive: true })
  report('sacm')
}

/** What Node is given when the bundle is started by its first line. */
function nodeOptions(): string[] {
  return /^#!.* node (.+)/.exec(readFileSync(ENTRY, 'utf8'))?.[1]?.split(' ') ?? []
}

function baselines(): string[] {
  return readdirSync('clients/evaluator/baseline').filter((name) => name.endsWith('.xml'))
}

/** The prebuilt addon for this machine, as the package ships it. */
function addonPath(): string {
  const header = process.report.getReport()
  // glibc names its version in the report; a report without one is musl's.
  const isMusl = process.platform === 'linux' && !JSON.stringify(header).includes('glibcVersionRuntime')
  const file = `node_modules/better-sqlite3/prebuilds/${process.platform}${isMusl ? 'musl' : ''}-${process.arch}.node`
  if (!existsSync(file)) throw new Error(`better-sqlite3 ships no addon for this machine: ${file}`)
  return file
}

/** Takes the symbols out when binutils are there; without them the binary is only larger. */
function strip(binary: string): void {
  try {
    execFileSync('strip', [binary], { stdio: 'ignore' })
  } catch {
    process.stderr.write('strip is not installed: the binary keeps its symbols and is some 15 MB larger\n')
  }
}

function report(name: string): void {
  const megabytes = statSync(join(DIST, name)).size / 1_048_576
  process.stdout.write(`${join(DIST, name)}  ${megabytes.toFixed(1)} MB\n`)
}
