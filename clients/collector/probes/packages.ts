/** Installed packages and their versions out of the databases of dpkg, apk and rpm. */

import type { PostureAttribute, Probe, ProbeContext } from '../probe.ts'
import { exists, failed, notCollected } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { isThere, readText } from './host/files.ts'
import { complaint, findProgram, runProgram } from './host/programs.ts'

const COVERS = ['package.manager', 'package.apk.', 'package.dpkg.', 'package.rpm.']
const MAX_DATABASE_BYTES = 128 << 20
const DPKG_STATUS = '/var/lib/dpkg/status'
/** The second since apk 3 with a merged /usr. */
const APK_DATABASES = ['/lib/apk/db/installed', '/usr/lib/apk/db/installed']
const RPM_FOLDERS = ['/var/lib/rpm', '/usr/lib/sysimage/rpm', '/usr/share/rpm']
const RPM_DATABASES = ['rpmdb.sqlite', 'Packages', 'Packages.db']
const RPM = ['/usr/bin/rpm', '/bin/rpm']
const RPM_FORMAT = '%{NAME}\\t%|EPOCH?{%{EPOCH}}:{0}|\\t%{VERSION}-%{RELEASE}\\t%{ARCH}\\n'

export interface InstalledPackage {
  readonly name: string
  /** Undefined when none of its files are there. */
  readonly version: string | undefined
  readonly architecture: string
  /** dpkg's words when they are other than `install ok installed`. */
  readonly state?: string
}

export const packages: Probe = defineProbe('packages', COVERS, async (context) => {
  const { root } = context
  const managers: string[] = []
  const attributes: PostureAttribute[] = []
  if (isThere(root, DPKG_STATUS) !== false) {
    managers.push('dpkg')
    attributes.push(...fromText(root, 'dpkg', DPKG_STATUS, parseDpkgStatus, dpkgNative(root)))
  }
  const apk = APK_DATABASES.find((path) => isThere(root, path))
  if (apk) {
    managers.push('apk')
    attributes.push(...fromText(root, 'apk', apk, parseApkInstalled, firstLine(root, '/etc/apk/arch')))
  }
  const rpm = RPM_FOLDERS.find((folder) => RPM_DATABASES.some((file) => isThere(root, `${folder}/${file}`)))
  if (rpm) {
    managers.push('rpm')
    attributes.push(...(await fromRpm(context, rpm)))
  }
  const manager = 'package.manager'
  const found = managers.sort().join(',')
  attributes.push(found ? exists(manager, found) : notCollected(manager, 'no database of dpkg, apk or rpm'))
  return attributes
})

/** One paragraph a package. deb822(5), dpkg(1) "Package states". */
export function parseDpkgStatus(text: string): InstalledPackage[] {
  const found: InstalledPackage[] = []
  for (const paragraph of text.split(/\n[ \t]*\n/)) {
    const field = (key: RegExp) => key.exec(paragraph)?.[1]?.trim()
    const name = field(/^Package:(.*)$/im)
    const status = field(/^Status:(.*)$/im)?.split(/\s+/) ?? []
    const word = status[2]
    // What is only selected, or was purged, is not there; dpkg-query does not list it either.
    if (!name || !word || word === 'not-installed') continue
    const version = DPKG_UNPACKED.has(word) ? field(/^Version:(.*)$/im) : undefined
    const state = status.join(' ')
    found.push({
      name,
      version,
      architecture: field(/^Architecture:(.*)$/im) ?? 'all',
      ...(state === 'install ok installed' ? {} : { state }),
    })
  }
  return found
}

/** States in which the files of the stated version are on the disk. */
const DPKG_UNPACKED = new Set(['installed', 'triggers-pending', 'triggers-awaited', 'half-configured', 'unpacked'])

/** One-letter fields, a blank line between packages. apk-tools: doc/apk-package.5, src/database.c. */
export function parseApkInstalled(text: string): InstalledPackage[] {
  const found: InstalledPackage[] = []
  for (const record of text.split('\n\n')) {
    const field = (letter: string) => new RegExp(`^${letter}:(.*)$`, 'm').exec(record)?.[1]
    const name = field('P')
    if (name) found.push({ name, version: field('V'), architecture: field('A') ?? 'noarch' })
  }
  return found
}

/** Lines of `RPM_FORMAT`; the epoch is written before the version only when it is not 0, as rpm compares. */
export function parseRpmQuery(text: string): InstalledPackage[] {
  return text.split('\n').flatMap((line) => {
    const [name, epoch, version, architecture] = line.split('\t')
    if (!name || !version) return []
    return [
      { name, version: epoch && epoch !== '0' ? `${epoch}:${version}` : version, architecture: architecture ?? '' },
    ]
  })
}

/**
 * `package.<kind>.<name[:arch when foreign]>.version`; several instances of one name (rpm keeps old kernels) are
 * `<name>@<version>` each.
 * @param native  undefined when unknown: then every architecture but the neutral ones is written
 */
export function packageAttributes(
  kind: string,
  list: readonly InstalledPackage[],
  native: string | undefined,
): PostureAttribute[] {
  const neutral = new Set([native, 'all', 'any', 'noarch', '(none)', ''])
  const label = (item: InstalledPackage) =>
    neutral.has(item.architecture) ? item.name : `${item.name}:${item.architecture}`
  const count = new Map<string, number>()
  for (const item of list) count.set(label(item), (count.get(label(item)) ?? 0) + 1)
  return list.flatMap((item) => {
    const several = (count.get(label(item)) ?? 0) > 1 && item.version !== undefined
    const name = `package.${kind}.${label(item)}${several ? `@${item.version}` : ''}`
    return [
      ...(item.version === undefined ? [] : [exists(`${name}.version`, item.version, 'version')]),
      ...(item.state === undefined ? [] : [exists(`${name}.state`, item.state)]),
    ]
  })
}

function fromText(
  root: string,
  kind: string,
  path: string,
  parse: (text: string) => InstalledPackage[],
  native: string | undefined,
): PostureAttribute[] {
  const text = readText(root, path, MAX_DATABASE_BYTES)
  if (!text.ok) return [failed(`package.${kind}`, text.reason)]
  const list = parse(text.value)
  // dpkg does not say anywhere what its own architecture is, but its own package has it.
  const own = native ?? list.find((item) => item.name === kind || item.name === 'apk-tools')?.architecture
  return packageAttributes(kind, list, own)
}

async function fromRpm({ root, signal }: ProbeContext, folder: string): Promise<PostureAttribute[]> {
  const name = 'package.rpm'
  const program = root === '/' ? findProgram(RPM) : RPM[0]
  if (!program) return [notCollected(name, `there is a database but none of ${RPM.join(', ')} to read it`)]
  // Debian's rpm would look into a folder of the user who asks.
  const run = await runProgram(root, program, ['--dbpath', folder, '-qa', '--qf', RPM_FORMAT], signal)
  if (!run.ok) return [notCollected(name, run.reason)]
  if (run.value.exitCode !== 0) return [failed(name, complaint(run.value))]
  const list = parseRpmQuery(run.value.stdout)
  const own =
    list.find((item) => item.name === 'rpm')?.architecture ?? list.find((item) => item.name === 'glibc')?.architecture
  return packageAttributes('rpm', list, own)
}

/** Once foreign architectures are added this file lists them after the native one. */
function dpkgNative(root: string): string | undefined {
  return firstLine(root, '/var/lib/dpkg/arch')
}

function firstLine(root: string, path: string): string | undefined {
  const text = readText(root, path)
  return text.ok ? text.value.split('\n')[0]?.trim() || undefined : undefined
}
