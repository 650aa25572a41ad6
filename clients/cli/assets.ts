/** Where the program finds what is not code: in the source tree, beside the bundle, or inside the single binary. */

import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { getAsset, getRawAsset, isSea } from 'node:sea'
import { fileURLToPath } from 'node:url'
import { type Assets, folderAssets, journalOrder } from '../../server/storage/assets.ts'

/** Set by the build: absent in the source tree. */
declare const SACM_BUILD: 'bundle' | undefined

export interface ProgramAssets extends Assets {
  /** A bundled text by name: `linux-baseline.xml`. */
  text(name: 'linux-baseline.xml'): string
  /** The command line that starts this same program again. */
  readonly command: readonly string[]
}

export function programAssets(): ProgramAssets {
  if (isSea()) return binaryAssets()
  return typeof SACM_BUILD === 'undefined' ? sourceAssets() : bundleAssets()
}

function sourceAssets(): ProgramAssets {
  const root = new URL('../../', import.meta.url)
  return {
    ...folderAssets({
      workerEntry: new URL('modules/worker.ts', root),
      migrations: new URL('migrations/sqlite/', root),
    }),
    text: (name) => readFileSync(new URL(`clients/evaluator/baseline/${name}`, root), 'utf8'),
    command: [process.execPath, fileURLToPath(new URL('clients/cli/sacm.mjs', root))],
  }
}

/** `dist/`: sacm.js, which is the worker's entry too, with the code, the addon and the texts beside it. */
function bundleAssets(): ProgramAssets {
  const here = new URL('./', import.meta.url)
  return {
    ...folderAssets({
      workerEntry: new URL('sacm.js', here),
      migrations: new URL('migrations/', here),
      nativeBinding: fileURLToPath(new URL('better_sqlite3.node', here)),
    }),
    text: (name) => readFileSync(new URL(name, here), 'utf8'),
    command: [process.execPath, fileURLToPath(new URL('sacm.js', here))],
  }
}

/** The single binary: everything is an asset; the addon must lie in a file to be loaded. DESIGN decision 14. */
function binaryAssets(): ProgramAssets {
  let addon: string | undefined
  return {
    workerEntry: () => ({ code: getAsset('sacm.js', 'utf8') }),
    migrations: () =>
      journalOrder(getAsset('migrations/meta/_journal.json', 'utf8')).map((name) => ({
        name,
        sql: getAsset(`migrations/${name}.sql`, 'utf8'),
      })),
    nativeBinding: () => {
      addon ??= extractAddon(Buffer.from(getRawAsset('better_sqlite3.node')), getAsset('better_sqlite3.sha256', 'utf8'))
      return addon
    },
    text: (name) => getAsset(name, 'utf8'),
    command: [process.execPath],
  }
}

/** Writes the addon to the cache under its hash, and checks what lies there before anyone loads it. */
function extractAddon(bytes: Buffer, hash: string): string {
  const folder = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'sacm')
  const file = join(folder, `better_sqlite3-${hash.slice(0, 32)}.node`)
  if (existsSync(file) && bytes.equals(readFileSync(file))) return file
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
  const partial = `${file}.${process.pid}`
  writeFileSync(partial, bytes, { mode: 0o500 })
  renameSync(partial, file)
  return file
}
