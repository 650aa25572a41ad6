/** A server that the tests of a file stop and start again on the same data, and clients of it that ask and get answers. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { Connection } from './scenario/connection.ts'
import { startServer, type TestServer } from './server.ts'

export const PASSWORD = 'pw'

export class KeptServer {
  readonly dataDir = mkdtempSync(join(tmpdir(), 'sacm-kept-'))
  #server: TestServer | undefined
  #ids = 0

  get running(): TestServer {
    if (!this.#server) throw new Error('the server is not running')
    return this.#server
  }

  async start(): Promise<void> {
    this.#server = await startServer({ dataDir: this.dataDir, domain: 'test' })
  }

  async stop(): Promise<void> {
    expect(await this.running.stop()).toBe(0)
    this.#server = undefined
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  /** An account's only client, which is online. */
  async login(local: string): Promise<Connection> {
    const connection = await Connection.open(this.running, 'tcp')
    await connection.login(local, PASSWORD, 'desk')
    connection.send('<presence/>')
    await connection.receives(`<presence from='${local}@test/desk'/>`)
    return connection
  }

  /** @param answer  what follows the id in the pattern of the answer, up to its end */
  async iq(connection: Connection, type: string, to: string, payload: string, answer: string): Promise<void> {
    const id = `q${++this.#ids}`
    connection.send(`<iq type='${type}' id='${id}' to='${to}'>${payload}</iq>`)
    await connection.receives(`<iq id='${id}' ${answer}</iq>`)
  }
}

/** Starts one for the tests of this file, and takes it away with its data after them. */
export function keepServer(): KeptServer {
  const kept = new KeptServer()
  beforeAll(() => kept.start())
  afterAll(async () => {
    await kept.stop()
    rmSync(kept.dataDir, { recursive: true, force: true })
  })
  return kept
}
