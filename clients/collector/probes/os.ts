/** The operating system's release, from os-release(5). */

import type { Probe } from '../probe.ts'
import { absent, exists, notCollected } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { readText } from './host/files.ts'

const PLACES = ['/etc/os-release', '/usr/lib/os-release']
/** Reported also when the release does not set them. */
const ALWAYS = ['ID', 'VERSION_ID', 'VERSION_CODENAME', 'PRETTY_NAME', 'ID_LIKE']
const WHEN_SET = ['NAME', 'VERSION', 'VARIANT_ID', 'BUILD_ID', 'IMAGE_ID', 'IMAGE_VERSION', 'CPE_NAME', 'SUPPORT_END']

export const os: Probe = defineProbe('os', ['os.'], ({ root }) => {
  const family = exists('os.family', 'linux')
  const texts = PLACES.map((path) => readText(root, path))
  const text = texts.find((outcome) => outcome.ok)
  if (!text) {
    const reason = texts.flatMap((outcome) => (outcome.ok ? [] : [outcome.reason])).join('; ')
    return [family, ...ALWAYS.map((key) => notCollected(nameOf(key), reason))]
  }
  const release = parseOsRelease(text.value)
  return [
    family,
    ...ALWAYS.map((key) => attributeOf(key, release.get(key))),
    ...WHEN_SET.filter((key) => release.has(key)).map((key) => attributeOf(key, release.get(key))),
  ]
})

/** Shell assignments with shell quoting and nothing else of the shell; the last assignment holds. os-release(5). */
export function parseOsRelease(text: string): ReadonlyMap<string, string> {
  const release = new Map<string, string>()
  for (const line of text.split('\n')) {
    const match = /^([A-Z_][A-Z0-9_]*)=(.*)$/.exec(line.trim())
    if (match?.[1] !== undefined && match[2] !== undefined) release.set(match[1], unquote(match[2]))
  }
  return release
}

function unquote(text: string): string {
  if (text.length >= 2 && text.startsWith("'") && text.endsWith("'")) return text.slice(1, -1)
  const inner = text.length >= 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
  return inner.replace(/\\(["'$`\\])/g, '$1')
}

function nameOf(key: string): string {
  return `os.${key.toLowerCase().replaceAll('_', '-')}`
}

function attributeOf(key: string, value: string | undefined) {
  const name = nameOf(key)
  const type = key.endsWith('VERSION_ID') ? 'version' : 'string'
  return value === undefined ? absent(name, type) : exists(name, value, type)
}
