/** Finds the addresses of the services from the domain alone: nothing is configured that disco can tell. SACM-XMPP §1. */

import { NS_REPOSITORY } from '../../modules/repository/xml.ts'
import { NS_TOPIC } from '../../modules/sacm/xml.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import type { DiscoInfo } from './caps.ts'
import { discoInfo, discoItems, type IqPort } from './disco.ts'
import { type IqOptions, TimeoutError } from './iq.ts'

export interface Services {
  /** Broadcast topics. */
  readonly pubsub: string
  /** The Integration Service: directed topics. */
  readonly sacm: string
  readonly repository: string
}

/** Items of the domain that are asked at most. */
const MAX_SERVICES = 64

/** @throws Error naming the service that the domain lacks; StanzaError, TimeoutError, OfflineError */
export async function discover(port: IqPort, domain: string, options?: IqOptions): Promise<Services> {
  const items = await discoItems(port, domain, undefined, options)
  const asked = items.filter((item) => item.node === undefined && item.jid !== domain).slice(0, MAX_SERVICES)
  const answers = await Promise.all(
    // The domain comes last: it may offer the same as a service of its own.
    [...asked.map((item) => item.jid), domain].map((address) => infoOf(port, address, options)),
  )
  const find = (what: string, matches: (info: DiscoInfo) => boolean): string => {
    const found = answers.find((answer) => answer && matches(answer.info))
    if (!found) throw new Error(`${domain} offers no ${what}`)
    return found.address
  }
  return {
    pubsub: find('publish-subscribe service', (info) =>
      info.identities.some(({ category, type }) => category === 'pubsub' && type === 'service'),
    ),
    sacm: find('SACM integration service', (info) => info.features.includes(NS_TOPIC)),
    repository: find('SACM repository', (info) => info.features.includes(NS_REPOSITORY)),
  }
}

/** A service that does not answer is as good as none; the others still count. */
async function infoOf(port: IqPort, address: string, options?: IqOptions) {
  try {
    return { address, info: await discoInfo(port, address, undefined, options) }
  } catch (error) {
    if (error instanceof StanzaError || error instanceof TimeoutError) return undefined
    throw error
  }
}
