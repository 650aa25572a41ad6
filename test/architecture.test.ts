/** Who may import whom: reads every import of the tree and fails on a breach. */

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const FLOORS = ['certs', 'server', 'modules', 'clients'] as const

interface Import {
  readonly from: string
  readonly to: string
  readonly isTypeOnly: boolean
}

/** What the files under a prefix may import, as prefixes; the longest matching prefix of the importer decides. */
const RULES: Readonly<Record<string, { readonly any: readonly string[]; readonly types?: readonly string[] }>> = {
  'certs/': { any: ['certs/'] },
  'server/xml/': { any: ['server/xml/', 'server/stanza/'] },
  'server/stanza/': { any: ['server/xml/', 'server/stanza/'] },
  'server/config.ts': { any: ['server/options.ts', 'server/option.ts'] },
  'server/options.ts': { any: ['server/option.ts'] },
  'server/option.ts': { any: [] },
  'server/log.ts': { any: [] },
  'server/metrics.ts': { any: [] },
  'server/renewed-map.ts': { any: [] },
  'server/version.ts': { any: ['package.json'] },
  'server/specs.ts': { any: [], types: ['server/module/api.ts'] },
  'server/storage/': { any: ['server/storage/'], types: ['server/log.ts'] },
  'server/net/': { any: ['server/net/', 'server/xml/', 'server/stanza/', 'server/log.ts', 'server/renewed-map.ts'] },
  'server/auth/': {
    any: [
      'server/auth/',
      'server/net/',
      'server/xml/',
      'server/stanza/',
      'server/log.ts',
      'server/storage/storage.ts',
      'certs/',
    ],
    types: ['server/module/api.ts'],
  },
  'server/stream/': {
    any: ['server/stream/', 'server/net/', 'server/auth/', 'server/xml/', 'server/stanza/', 'server/log.ts'],
    types: ['server/module/api.ts'],
  },
  'server/session/': {
    any: [
      'server/session/',
      'server/stream/',
      'server/net/',
      'server/auth/',
      'server/xml/',
      'server/stanza/',
      'server/log.ts',
      'server/renewed-map.ts',
    ],
    types: ['server/module/api.ts'],
  },
  'server/http/': { any: ['server/http/', 'server/net/', 'server/auth/', 'server/log.ts'] },
  'server/route/': {
    any: ['server/route/', 'server/module/', 'server/xml/', 'server/stanza/', 'server/storage/storage.ts'],
    types: ['server/session/', 'server/auth/', 'server/http/', 'server/log.ts', 'server/metrics.ts'],
  },
  'server/module/': {
    any: [
      'server/route/',
      'server/module/',
      'server/xml/',
      'server/stanza/',
      'server/storage/storage.ts',
      'server/auth/roles.ts',
      'server/option.ts',
      'server/auth/account-data.ts',
    ],
    types: ['server/session/', 'server/auth/', 'server/http/', 'server/log.ts', 'server/metrics.ts'],
  },
  'server/server.ts': { any: ['server/', 'certs/'] },
  'server/certificates.ts': {
    any: ['certs/', 'server/auth/', 'server/log.ts'],
    types: ['server/config.ts', 'server/net/'],
  },
  'server/limits.ts': {
    any: ['server/xml/', 'server/module/api.ts'],
    types: ['server/config.ts', 'server/session/'],
  },
  'server/administration.ts': { any: ['server/', 'certs/'] },
  'server/backups.ts': { any: ['server/control.ts', 'server/storage/'], types: ['server/log.ts'] },
  'server/control.ts': { any: ['server/log.ts', 'server/route/hooks.ts'] },
  'modules/index.ts': { any: ['modules/', 'server/module/api.ts'] },
  'modules/worker.ts': { any: ['modules/', 'server/storage/', 'server/auth/'] },
  'modules/scap/': { any: ['modules/scap/', 'server/xml/'] },
  'modules/': { any: ['server/module/api.ts', 'server/xml/', 'server/stanza/'] },
  'clients/': { any: ['clients/', 'server/xml/', 'server/stanza/', 'modules/scap/', 'certs/', 'modules/*/xml.ts'] },
  'clients/cli/': {
    any: ['clients/', 'server/', 'modules/', 'certs/', 'package.json'],
  },
}

describe('the house', () => {
  const imports = FLOORS.flatMap((floor) => filesUnder(join(ROOT, floor))).flatMap(importsOf)

  test('is read at all', () => {
    expect(imports.length).toBeGreaterThan(100)
  })

  test('has no import that its table does not allow', () => {
    expect(imports.filter((found) => !isAllowed(found)).map((found) => `${found.from} imports ${found.to}`)).toEqual([])
  })

  test('has no stair that runs back up', () => {
    const up = imports.filter(({ from, to }) => floorOf(to) > floorOf(from))
    expect(up.map((found) => `${found.from} imports ${found.to}`)).toEqual([])
  })

  test('lets a module see of another only its api, and only when it requires it', () => {
    const breaches = imports.filter(({ from, to }) => {
      const [mine, theirs] = [moduleOf(from), moduleOf(to)]
      if (mine === undefined || theirs === undefined || mine === theirs || theirs === 'scap') return false
      if (from === 'modules/index.ts' || from === 'modules/worker.ts') return false
      return !isPublicFile(to) || !requiresOf(mine).includes(theirs)
    })
    expect(breaches.map((found) => `${found.from} imports ${found.to}`)).toEqual([])
  })

  test('has no default export and no barrel but a module’s index', () => {
    const files = FLOORS.flatMap((floor) => filesUnder(join(ROOT, floor)))
    const withDefault = files.filter((file) => /^export default /m.test(readFileSync(file, 'utf8')))
    expect(withDefault.map((file) => relative(ROOT, file))).toEqual([])
  })

  test('has no cycle', () => {
    expect(cycles(imports.filter((found) => !found.isTypeOnly))).toEqual([])
  })
})

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
}

/** The imports of a file that point into the tree, statically or not. */
function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8')
  const from = relative(ROOT, file)
  const found: Import[] = []
  for (const match of text.matchAll(/^\s*(?:import|export)\s+(type\s+)?([^'"]*?from\s+)?'(\.[^']+)'/gm)) {
    const [, typeKeyword, names, path] = match
    if (path === undefined) continue
    found.push({ from, to: resolvePath(from, path), isTypeOnly: typeKeyword !== undefined || isOnlyTypes(names) })
  }
  for (const match of text.matchAll(/import\('(\.[^']+)'\)/g)) {
    if (match[1] !== undefined) found.push({ from, to: resolvePath(from, match[1]), isTypeOnly: false })
  }
  return found
}

function isOnlyTypes(names: string | undefined): boolean {
  const list = names?.match(/\{([^}]*)\}/)?.[1]
  return list?.split(',').every((name) => name.trim() === '' || name.trim().startsWith('type ')) ?? false
}

function resolvePath(from: string, path: string): string {
  return normalize(join(dirname(from), path))
}

function isAllowed({ from, to, isTypeOnly }: Import): boolean {
  const rule = ruleFor(from)
  const other = moduleOf(to)
  // Between modules the narrower test below decides.
  if (from.startsWith('modules/') && other !== undefined) return true
  const allowed = isTypeOnly ? [...rule.any, ...(rule.types ?? [])] : rule.any
  return allowed.some((prefix) =>
    prefix.includes('*') ? matches(to, prefix) : to === prefix || (prefix.endsWith('/') && to.startsWith(prefix)),
  )
}

function matches(path: string, pattern: string): boolean {
  return new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '[^/]+')}$`).test(path)
}

function ruleFor(file: string): { readonly any: readonly string[]; readonly types?: readonly string[] } {
  const prefix = Object.keys(RULES)
    .filter((candidate) => file === candidate || (candidate.endsWith('/') && file.startsWith(candidate)))
    .sort((a, b) => b.length - a.length)[0]
  const rule = prefix === undefined ? undefined : RULES[prefix]
  if (!rule) throw new Error(`no rule covers ${file}`)
  return rule
}

function floorOf(file: string): number {
  const floor = file.split('/')[0]
  return (FLOORS as readonly (string | undefined)[]).indexOf(floor)
}

/** `modules/pubsub/…` and `modules/ping.ts` belong to pubsub and ping. */
function moduleOf(file: string): string | undefined {
  return /^modules\/([^/.]+)/.exec(file)?.[1]
}

/** What a module shows to others: its index, its contract, its codec; a one-file module is all of these. */
function isPublicFile(file: string): boolean {
  return /^modules\/[^/]+\/(index|api|xml)\.ts$/.test(file) || /^modules\/[^/]+\.ts$/.test(file)
}

function requiresOf(module: string): readonly string[] {
  for (const file of [`modules/${module}.ts`, `modules/${module}/index.ts`]) {
    try {
      const text = readFileSync(join(ROOT, file), 'utf8')
      return [...(/requires: \[([^\]]*)\]/.exec(text)?.[1] ?? '').matchAll(/'([^']+)'/g)].map((match) => match[1] ?? '')
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    }
  }
  return []
}

/** The import cycles, each as a path; types do not count, since they are gone at run time. */
function cycles(imports: readonly Import[]): string[] {
  const edges = Map.groupBy(imports, ({ from }) => from)
  const done = new Set<string>()
  const found: string[] = []
  const visit = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file)
    if (at >= 0) {
      found.push([...path.slice(at), file].join(' -> '))
      return
    }
    if (done.has(file)) return
    for (const { to } of edges.get(file) ?? []) visit(to, [...path, file])
    done.add(file)
  }
  for (const file of edges.keys()) visit(file, [])
  return found
}
