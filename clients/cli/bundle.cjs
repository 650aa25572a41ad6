#!/usr/bin/env -S node --max-semi-space-size=16
// Entry of the bundle, of the single binary, and of the storage worker of both: checks that this Node can run the rest,
// and runs it. Copied to dist/sacm.js.
'use strict'
// The option above, which the single binary and npm's scripts have too: V8's young generation grows to twice 64 MiB in a
// burst and keeps them while nothing happens, 20 KiB of each of 5,000 idle sessions. With 16 all else was as fast.
// Plain JavaScript of an old dialect on purpose: a Node too old for the rest must still read this file.

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(`sacm needs Node 22.18 or newer; this is ${process.versions.node}.\n`)
  process.exit(3)
}

const { existsSync, readFileSync } = require('node:fs')
const path = require('node:path')
const { getAssetKeys, getRawAsset, isSea } = require('node:sea')
const { Script } = require('node:vm')
const { isMainThread } = require('node:worker_threads')
const { crc32 } = require('node:zlib')

/**
 * Runs one text of the bundle with what V8 made of it when the build ran it: functions that were called then need no
 * compiling, which took a quarter of a start. Node's own cache holds none of those that are compiled when called.
 */
function run(name) {
  const filename = path.join(__dirname, name)
  const text = read(name)
  // The build has seen to it that there is nothing but ASCII.
  const source = `(function (exports, require, module, __filename, __dirname) {${text.latin1Slice()}\n})`
  const script = new Script(source, { filename, cachedData: compiled(`${name}.compiled`, text) })
  script.runInThisContext()(exports, require, module, filename, __dirname)
}

/**
 * V8's own, which V8 takes from the same Node alone, then four bytes that tell whether it is whole and of this text. When
 * it is not there, or not that, the text is compiled anew.
 */
function compiled(name, text) {
  const kept = read(name)
  if (kept === undefined || kept.length <= 4) return undefined
  const code = kept.subarray(0, -4)
  return kept.readUInt32BE(code.length) === crc32(code, crc32(text)) ? code : undefined
}

/** What the build put beside this file, or into the binary; undefined where it did not. */
function read(name) {
  if (isSea()) return getAssetKeys().includes(name) ? Buffer.from(getRawAsset(name)) : undefined
  const file = path.join(__dirname, name)
  return existsSync(file) ? readFileSync(file) : undefined
}

if (!isMainThread) run('worker.cjs')
else run(process.argv[2] === 'serve' ? 'serve.cjs' : 'main.cjs')
