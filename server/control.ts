/**
 * The control socket: commands of administration sent to a running server through a Unix socket in its data folder
 * (mode 0600, so the file system says who may), as HTTP POST `/verb` with a JSON body.
 */

import { chmodSync, rmSync } from 'node:fs'
import { createServer, request, type Server } from 'node:http'
import { join } from 'node:path'
import type { Logger } from './log.ts'
import { describeError } from './route/hooks.ts'

const MAX_BODY_BYTES = 1_048_576
const TIMEOUT_MS = 60_000

/** A refusal that the caller is to read; anything else that is thrown stays in the log. */
export class AdministrationError extends Error {
  override readonly name = 'AdministrationError'
}

/** A verb with its arguments as JSON; rejects with AdministrationError. */
export type Administer = (verb: string, args: unknown) => Promise<unknown>

/** Path of the socket in a data folder. */
export function controlPath(dataDir: string): string {
  return join(dataDir, 'control.sock')
}

/** Listens on the folder's control socket; the caller holds the folder's lock, so a file left there is stale. */
export async function listenControl(
  dataDir: string,
  administer: Administer,
  log: Logger,
): Promise<{ close(): Promise<void> }> {
  const path = controlPath(dataDir)
  rmSync(path, { force: true })
  const server = createServer({ requestTimeout: TIMEOUT_MS }, (incoming, response) => {
    const chunks: Buffer[] = []
    let size = 0
    incoming.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > MAX_BODY_BYTES) incoming.destroy()
      else chunks.push(chunk)
    })
    incoming.on('end', () => {
      const verb = (incoming.url ?? '/').slice(1)
      answer(administer, verb, Buffer.concat(chunks).toString('utf8'), log).then(
        ({ status, body }) =>
          response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
        (error: unknown) => {
          log.error({ what: 'control_failed', verb, error: describeError(error) })
          response.destroy()
        },
      )
    })
  })
  await listen(server, path)
  chmodSync(path, 0o600)
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(
  administer: Administer,
  verb: string,
  body: string,
  log: Logger,
): Promise<{ status: number; body: unknown }> {
  try {
    const result = await administer(verb, body === '' ? {} : JSON.parse(body))
    return { status: 200, body: { result: result ?? null } }
  } catch (error) {
    if (error instanceof AdministrationError) return { status: 400, body: { error: error.message } }
    log.error({ what: 'administration_failed', verb, error: describeError(error) })
    return { status: 500, body: { error: `${verb} failed; the server's log says why` } }
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    // The folder is 0700, and the umask closes the moment between bind and chmod.
    const umask = process.umask(0o177)
    server.listen(path, () => {
      server.off('error', reject)
      resolve()
    })
    process.umask(umask)
  })
}

/**
 * Sends a verb to the server that runs on this folder.
 * @returns the result, or undefined when no server listens there
 * @throws AdministrationError with the server's own words
 */
export function callControl(
  dataDir: string,
  verb: string,
  args: unknown,
): Promise<{ readonly result: unknown } | undefined> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        socketPath: controlPath(dataDir),
        path: `/${verb}`,
        method: 'POST',
        timeout: TIMEOUT_MS,
        // A connection of its own: one kept from an earlier call may have been closed by the server meanwhile.
        agent: false,
        headers: { 'content-type': 'application/json' },
      },
      (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('error', reject)
        incoming.on('end', () => {
          const reply: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
          if (typeof reply !== 'object' || reply === null)
            reject(new AdministrationError('the server answered nothing'))
          else if ('error' in reply) reject(new AdministrationError(String(reply.error)))
          else resolve({ result: 'result' in reply ? reply.result : undefined })
        })
      },
    )
    outgoing.on('timeout', () =>
      outgoing.destroy(new AdministrationError(`the server did not answer within ${TIMEOUT_MS / 1000} s`)),
    )
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      // Nobody listens: no socket file, or one that a killed server left behind.
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(undefined)
      else reject(error)
    })
    outgoing.end(JSON.stringify(args))
  })
}
