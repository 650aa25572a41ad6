// Preloaded by the build when it runs the bundle: as a thread ends, what V8 made of its text is written beside that.
'use strict'

const { readFileSync, writeFileSync } = require('node:fs')
const v8 = require('node:v8')
const vm = require('node:vm')
const { crc32 } = require('node:zlib')

// V8 would drop the code of what ran once, which is all that makes a start.
v8.setFlagsFromString('--no-flush-bytecode')

const { Script } = vm
vm.Script = class extends Script {
  constructor(source, options) {
    super(source, options)
    process.once('exit', () => {
      // Compiled code is taken by a process with the same flags alone.
      v8.setFlagsFromString('--flush-bytecode')
      const code = this.createCachedData()
      const sum = Buffer.alloc(4)
      sum.writeUInt32BE(crc32(code, crc32(readFileSync(options.filename))))
      // Read by bundle.cjs.
      writeFileSync(`${options.filename}.compiled`, Buffer.concat([code, sum]))
    })
  }
}
