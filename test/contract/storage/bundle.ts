/** The storage worker as one text, as the single binary starts it: no file of the source tree is read. */

import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

export async function bundleWorker(entry: URL): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(entry)],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    write: false,
    logLevel: 'error',
  })
  const [file] = outputFiles
  if (!file) throw new Error('esbuild wrote nothing')
  return file.text
}

/** The addon for this machine out of better-sqlite3's package. */
export function addonPath(): string {
  const require = createRequire(import.meta.url)
  // The package's own look-up, which knows about musl; its types do not list it.
  const { getPrebuildPath } = require('../../../node_modules/better-sqlite3/lib/binding.js') as {
    getPrebuildPath: () => string | null
  }
  const path = getPrebuildPath()
  return path ?? join(dirname(require.resolve('better-sqlite3')), '../build/Release/better_sqlite3.node')
}
