/** A host's files in a temporary folder, for probes to read instead of `/`. */

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { PostureAttribute, Probe } from '../../../clients/collector/probe.ts'

/** A string or bytes is a file, `link` a symbolic link, undefined an empty folder. */
export type Tree = Readonly<Record<string, string | Buffer | { readonly link: string } | undefined>>

/** @returns the root, removed when the test is over */
export function hostTree(tree: Tree): string {
  const root = mkdtempSync(join(tmpdir(), 'sacm-host-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  for (const [path, content] of Object.entries(tree)) {
    const place = join(root, path)
    mkdirSync(content === undefined ? place : dirname(place), { recursive: true })
    if (typeof content === 'string' || Buffer.isBuffer(content)) writeFileSync(place, content)
    else if (content !== undefined) symlinkSync(content.link, place)
  }
  return root
}

export function collect(probe: Probe, root: string): Promise<readonly PostureAttribute[]> {
  return probe.collect({ now: 0, signal: AbortSignal.timeout(30_000), root })
}

/** `name` to value, or to `status: reason` for what does not exist or was not seen. */
export function shown(attributes: readonly PostureAttribute[]): Record<string, string> {
  return Object.fromEntries(
    attributes.map(({ name, status, value, reason }) => [
      name,
      status === 'exists' ? `${value}` : `<${status}${reason === undefined ? '' : `: ${reason}`}>`,
    ]),
  )
}
