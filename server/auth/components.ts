/** External components that may connect, with the secrets they share with the server: kept on disk, answered from memory. */

import { randomBytes } from 'node:crypto'
import { eq, sql } from 'drizzle-orm'
import { JidError, parseJid } from '../stanza/jid.ts'
import type { Db, Operation, Storage } from '../storage/storage.ts'
import { components } from './schema.sqlite.ts'

const SECRET_BYTES = 24
/** A secret that was brought along is at least this long: the handshake is an unsalted hash, fast to guess at. */
const MIN_SECRET_LENGTH = 8
const MAX_SECRET_LENGTH = 1023

/** A domain or secret that was refused, in words for the administrator. */
export class ComponentError extends Error {
  override readonly name = 'ComponentError'
}

export interface ComponentSecrets {
  /** Undefined: no component of that domain is known. */
  secretOf(domain: string): string | undefined
  domains(): readonly string[]
  /**
   * Adds a component, or gives one that exists another secret.
   * @param secret  undefined makes a random one
   * @throws ComponentError
   */
  add(domain: string, secret: string | undefined): Promise<{ domain: string; secret: string; isNew: boolean }>
  /** @returns false when there was none. @throws ComponentError */
  remove(domain: string): Promise<boolean>
}

interface StoredComponent {
  readonly domain: string
  readonly secret: string
}

const queries = (db: Db) => ({
  all: db.select({ domain: components.domain, secret: components.secret }).from(components).prepare(),
  put: db
    .insert(components)
    .values({
      domain: sql.placeholder('domain'),
      secret: sql.placeholder('secret'),
      createdAt: sql.placeholder('now'),
    })
    .onConflictDoUpdate({ target: components.domain, set: { secret: sql`excluded.secret` } })
    .prepare(),
  remove: db
    .delete(components)
    .where(eq(components.domain, sql.placeholder('domain')))
    .prepare(),
})

const loadComponents: Operation<void, readonly StoredComponent[]> = {
  name: 'auth.loadComponents',
  kind: 'read',
  run: (tx) => tx.use(queries).all.all(),
}

const putComponent: Operation<StoredComponent, void> = {
  name: 'auth.putComponent',
  kind: 'write',
  run: (tx, args) => void tx.use(queries).put.run({ ...args, now: tx.now }),
}

const removeComponent: Operation<string, void> = {
  name: 'auth.removeComponent',
  kind: 'write',
  run: (tx, domain) => void tx.use(queries).remove.run({ domain }),
}

export const componentOperations = [putComponent, removeComponent] as const

/** @param isOwnDomain  domains that the server answers for itself, and no component may */
export async function openComponents(
  storage: Storage,
  isOwnDomain: (domain: string) => boolean,
): Promise<ComponentSecrets> {
  const known = new Map<string, string>()
  for (const { domain, secret } of await storage.run(loadComponents, undefined)) known.set(domain, secret)
  return {
    secretOf: (domain) => known.get(domain),
    domains: () => [...known.keys()].sort(),
    add: async (text, given) => {
      const domain = domainOf(text)
      if (isOwnDomain(domain)) throw new ComponentError(`the server answers for ${domain} itself`)
      const secret = given ?? randomBytes(SECRET_BYTES).toString('base64url')
      if (secret.length < MIN_SECRET_LENGTH || secret.length > MAX_SECRET_LENGTH) {
        throw new ComponentError(`a secret has ${MIN_SECRET_LENGTH} to ${MAX_SECRET_LENGTH} characters`)
      }
      const isNew = !known.has(domain)
      await storage.run(putComponent, { domain, secret }, () => void known.set(domain, secret))
      return { domain, secret, isNew }
    },
    remove: async (text) => {
      const domain = domainOf(text)
      const wasKnown = known.has(domain)
      await storage.run(removeComponent, domain, () => void known.delete(domain))
      return wasKnown
    },
  }
}

function domainOf(text: string): string {
  try {
    const jid = parseJid(text)
    if (jid.local !== '' || jid.resource !== '') throw new ComponentError(`${text} is not a domain`)
    return jid.domain
  } catch (error) {
    if (error instanceof JidError)
      throw new ComponentError(`${text} is not a domain: ${error.message}`, { cause: error })
    throw error
  }
}
