#!/usr/bin/env -S node --max-semi-space-size=16
// The entry: checks that this Node can run the rest, says what to do when it cannot, then hands over.
/* global SACM_BUILD */
// Plain JavaScript of an old dialect on purpose: a Node too old for the rest must still read this file.

const [major, minor] = process.versions.node.split('.').map(Number)
const isNewEnough = major > 22 || (major === 22 && minor >= 18)

if (!isNewEnough) {
  process.stderr.write(
    `sacm needs Node 22.18 or newer to run from source; this is ${process.versions.node}.\n` +
      'The project brings its own: run `npm ci`, then `npm run sacm -- …` instead of `node clients/cli/sacm.mjs …`.\n',
  )
  process.exit(3)
}

// From source, compiled code is kept inside the checkout, not in a shared temporary folder where others could put theirs.
if (typeof SACM_BUILD === 'undefined') {
  const { enableCompileCache } = await import('node:module')
  const { fileURLToPath } = await import('node:url')
  enableCompileCache?.(fileURLToPath(new URL('../../node_modules/.cache/sacm', import.meta.url)))
}

const [{ main }, { COMMANDS }] = await Promise.all([import('./main.ts'), import('./commands.ts')])
process.exitCode = await main(process.argv.slice(2), COMMANDS)
