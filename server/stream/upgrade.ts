/** Tasks after a SASL2 login that make keys of newer or stronger SCRAM mechanisms. XEP-0480, XEP-0388 §2.6.3. */

import { SaslError } from '../stanza/errors.ts'
import { attr, childOf, type Element, el, textOf } from '../xml/element.ts'
import { NS_SASL2 } from '../xml/namespaces.ts'
import { decodeBase64, type ScramHash } from './mechanisms.ts'

export const NS_UPGRADE = 'urn:xmpp:sasl:upgrade:0'
const NS_SCRAM_UPGRADE = 'urn:xmpp:scram-upgrade:0'

/** One hash of one account, being upgraded. */
export interface Upgrade {
  /** Base64. */
  readonly salt: string
  readonly iterations: number
  /** Takes RFC 5802's SaltedPassword; false when it is not taken. */
  finish(salted: Buffer): Promise<boolean>
}

/** The accounts' side of it. */
export interface Upgrades {
  isWanted(hash: ScramHash): boolean
  of(local: string): readonly ScramHash[]
  begin(local: string, hash: ScramHash): Promise<Upgrade>
}

const TASKS: Readonly<Record<string, ScramHash>> = {
  'UPGR-SCRAM-SHA-512': 'sha512',
  'UPGR-SCRAM-SHA-256': 'sha256',
  'UPGR-SCRAM-SHA-1': 'sha1',
}

/** Tasks that some account here could do with. It does not follow the stream's `from`, which anyone may state. §2.1 */
export function wantedUpgrades(upgrades: Upgrades | undefined): readonly string[] {
  return Object.keys(TASKS).filter((name) => TASKS[name] && upgrades?.isWanted(TASKS[name]))
}

/** What is advertised of them. */
export function upgradeFeatures(tasks: readonly string[]): Element[] {
  return tasks.map((name) => el('upgrade', { xmlns: NS_UPGRADE }, name))
}

/** The tasks of one login, one after the other. */
export class UpgradeTasks {
  readonly #upgrades: Upgrades
  readonly #local: string
  /** Names, the first of them is due. */
  readonly #due: string[]
  #current: Upgrade | undefined

  /** @param asked  as the client named them; what the account does not lack is left out */
  constructor(upgrades: Upgrades, local: string, asked: readonly string[]) {
    this.#upgrades = upgrades
    this.#local = local
    const lacking = upgrades.of(local)
    this.#due = Object.keys(TASKS).filter((name) => {
      const hash = TASKS[name]
      return asked.includes(name) && hash !== undefined && lacking.includes(hash)
    })
  }

  /** What the client is to do next; undefined: all is done. */
  get due(): string | undefined {
    return this.#due[0]
  }

  /** `<next/>`: the data that the client needs. @throws SaslError malformed-request */
  async start(next: Element): Promise<Element> {
    const name = attr(next, 'task')
    const hash = name === this.due && name !== undefined ? TASKS[name] : undefined
    if (!hash) throw new SaslError('malformed-request', 'that task was not asked for')
    this.#current = await this.#upgrades.begin(this.#local, hash)
    const { salt, iterations } = this.#current
    return el(
      'task-data',
      { xmlns: NS_SASL2 },
      el('salt', { xmlns: NS_SCRAM_UPGRADE, iterations: String(iterations) }, salt),
    )
  }

  /** `<task-data/>`: the SaltedPassword. @throws SaslError malformed-request, incorrect-encoding */
  async finish(data: Element): Promise<void> {
    const current = this.#current
    this.#current = undefined
    const hash = childOf(data, 'hash', NS_SCRAM_UPGRADE)
    if (!current || !hash) throw new SaslError('malformed-request', 'no task waits for that')
    if (!(await current.finish(decodeBase64(textOf(hash).trim()))))
      throw new SaslError('malformed-request', 'not a SaltedPassword of this task, or the password was changed')
    this.#due.shift()
  }
}
