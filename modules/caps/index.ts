/** Entity capabilities: the server's own in its stream features, and those of clients. XEP-0115, XEP-0390. */

import {
  defineModule,
  ENDPOINTS,
  type EndpointView,
  integer,
  type Options,
  option,
  token,
  type ValuesOf,
} from '../../server/module/api.ts'
import type { Element } from '../../server/xml/element.ts'
import { NS_DISCO_INFO, ownInfo, renderInfo } from '../disco/index.ts'
import { type Capabilities, type ClientCapabilities, ClientCaps } from './clients.ts'
import { caps2Input, capsInput, hashOf } from './hash.ts'
import { readInfo } from './info.ts'
import { type CapsHash, caps2Hash, NS_CAPS, NS_CAPS2, renderCaps, renderCaps2 } from './xml.ts'

export type { Capabilities, ClientCapabilities } from './clients.ts'

export const CLIENT_CAPABILITIES = token<ClientCapabilities>('client-capabilities')

declare module '../../server/module/api.ts' {
  interface Hooks {
    /** It is known what a client can do, or that it can now do something else. */
    'caps.known': { readonly session: SessionHandle; readonly capabilities: Capabilities }
  }
}

const NODE = 'urn:sacm-xmpp:server'
/** XEP-0390 §4.2: one that everybody has; XEP-0300 §4. */
const OWN_ALGORITHMS = ['sha-256', 'sha3-256'] as const

const config = {
  clientsMax: option(
    integer(2_000, 1, 1_000_000),
    'different sets of capabilities kept, verified; the one used longest ago goes first',
  ),
  timeoutSeconds: option(integer(30, 1, 600), 'how long a client may take to say what it can do'),
} satisfies Options

export const caps = defineModule<ValuesOf<typeof config>>({
  name: 'caps',
  specs: [
    { doc: 'XEP-0115', version: '1.6.0', status: 'partial', omits: 'caps optimization (§8.4)' },
    {
      doc: 'XEP-0390',
      version: '0.3.2',
      status: 'partial',
      omits: 'caps optimization, gratuitous capabilities, query interception: all optional',
    },
  ],
  requires: ['disco'],
  config,
  setup(ctx) {
    const server = ctx.use(ENDPOINTS).get('server')
    server.feature(NS_CAPS, NS_CAPS2)
    const own = new OwnCaps(server)
    server.info(({ node }) => (own.nodes().includes(node) ? ownInfo(server) : undefined))
    ctx.streamFeature({
      advertise: (state) => (state === 'bind' ? own.advertised().caps : undefined),
    })
    ctx.streamFeature({
      advertise: (state) => (state === 'bind' ? own.advertised().caps2 : undefined),
    })
    const { clientsMax, timeoutSeconds } = ctx.config()
    const clients = new ClientCaps({
      endpoint: server,
      maxCached: clientsMax,
      timeoutMs: timeoutSeconds * 1000,
      log: ctx.log,
      onKnown: (session, capabilities) => ctx.emit('caps.known', { session, capabilities }),
    })
    ctx.provide(CLIENT_CAPABILITIES, clients)
    ctx.on('observe', 'presence.updated', ({ session, presence, isInitial }) =>
      clients.onPresence(session, presence, isInitial),
    )
    // Who shows itself to some and not to everybody says there what it can do.
    ctx.on('observe', 'presence.directed', ({ session, presence }) =>
      presence && !session.presence ? clients.onPresence(session, presence) : undefined,
    )
  },
})

/** What the server says of itself, and how streams advertise it. */
interface Own {
  readonly ver: string
  readonly hashes: readonly CapsHash[]
  readonly caps: Element
  readonly caps2: Element
}

/** The server's hashes; registrations end with start-up, and until then the hashes follow their number. */
class OwnCaps {
  readonly #server: EndpointView
  #made: (Own & { readonly from: string }) | undefined

  constructor(server: EndpointView) {
    this.#server = server
  }

  nodes(): readonly string[] {
    const { ver, hashes } = this.advertised()
    return [`${NODE}#${ver}`, ...hashes.map(({ node }) => node)]
  }

  advertised(): Own {
    const { identities, features, formCount } = this.#server
    const from = `${identities.length} ${features.length} ${formCount}`
    if (this.#made?.from !== from) this.#made = { from, ...hashesOf(renderInfo(ownInfo(this.#server), undefined)) }
    return this.#made
  }
}

function hashesOf(query: Element): Own {
  const info = readInfo(query)
  const [input, input2] = [capsInput(info), caps2Input(info, '')]
  if (!input || !input2) throw new Error(`the server's own ${NS_DISCO_INFO} cannot be hashed`)
  const ver = hashOf('sha-1', input)
  const hashes = OWN_ALGORITHMS.map((algorithm) => caps2Hash(algorithm, hashOf(algorithm, input2)))
  return { ver, hashes, caps: renderCaps(NODE, ver), caps2: renderCaps2(hashes) }
}
