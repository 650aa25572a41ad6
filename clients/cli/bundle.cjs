#!/usr/bin/env -S node --max-semi-space-size=16
// Entry of the bundle and of its storage worker, copied to dist/sacm.js: checks that this Node can run the rest, and has
// compiled code kept.
'use strict'
// The option above, which the single binary and npm's scripts have too: V8's young generation grows to twice 64 MiB in a
// burst and keeps them while nothing happens, 20 KiB of each of 5,000 idle sessions. With 16 all else was as fast.
// Plain JavaScript of an old dialect on purpose: a Node too old for the rest must still read this file.

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(`sacm needs Node 22.18 or newer; this is ${process.versions.node}.\n`)
  process.exit(3)
}

// Beside the program, where only those can write who can change the program too; filled by the build. Portable: the folder
// may be moved. Where it cannot be written and does not fit, code is compiled anew.
require('node:module').enableCompileCache({
  directory: require('node:path').join(__dirname, 'compiled'),
  portable: true,
})
require(require('node:worker_threads').isMainThread ? './main.cjs' : './worker.cjs')
