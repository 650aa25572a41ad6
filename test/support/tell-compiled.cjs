// Preloaded into the bundle or the binary: tells of every text that V8 is given, whether the code kept of it was taken.
'use strict'

const path = require('node:path')
const { writeSync } = require('node:fs')
const vm = require('node:vm')

const { Script } = vm
vm.Script = class extends Script {
  constructor(source, options) {
    super(source, options)
    const { filename, cachedData } = options
    // At once, from whatever thread.
    writeSync(2, `${path.basename(filename)}: kept ${cachedData !== undefined}, refused ${this.cachedDataRejected}\n`)
  }
}
