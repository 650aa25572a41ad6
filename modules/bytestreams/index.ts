/** The proxy through which two clients that cannot reach each other pass a stream of bytes. XEP-0065 §4, §6. */

import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { defineModule } from '../../server/module/api.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { type BytestreamsConfig, bytestreamsConfig } from './config.ts'
import { type Activation, StreamProxy } from './proxy.ts'
import { NS_BYTESTREAMS, parseActivation, renderStreamHost } from './xml.ts'

export const bytestreams = defineModule<BytestreamsConfig>({
  name: 'bytestreams',
  specs: [
    {
      doc: 'XEP-0065',
      version: '1.8.2',
      status: 'partial',
      omits: 'UDP (§8)',
    },
  ],
  config: bytestreamsConfig,
  setup(ctx) {
    const config = ctx.config()
    if (config.port === 'off') return
    const wanted = config.port
    const proxy = new StreamProxy(
      {
        maxConnections: config.maxConnections,
        streamsPerAccount: config.streamsPerAccount,
        waitMs: config.waitSeconds * 1000,
        maxBytes: config.streamMaxBytes,
        bytesPerSecond: config.streamBytesPerSecond,
        idleMs: config.idleSeconds * 1000,
      },
      ctx.log,
    )
    let port = 0
    ctx.starting(async () => {
      port = await proxy.listen(ctx.host, wanted)
      ctx.log.info({ what: 'bytestreams_listening', host: ctx.host, port })
    })
    ctx.closing.addEventListener('abort', () => proxy.close())
    ctx.on('observe', 'account.removed', ({ bareJid }) => proxy.endStreamsOf(bareJid))

    const endpoint = ctx.endpoint('service:proxy')
    const host = config.publicHost || (isWildcard(ctx.host) ? ctx.domain : ctx.host)
    endpoint.identity('proxy', 'bytestreams', 'SOCKS5 bytestreams')
    endpoint.feature(NS_BYTESTREAMS)
    endpoint.onIq('get', `{${NS_BYTESTREAMS}}query`, ({ session }) => {
      if (!session) throw forbidden()
      return renderStreamHost(host, endpoint.address, port)
    })
    endpoint.onIq('set', `{${NS_BYTESTREAMS}}query`, ({ from, session, payload }) => {
      const { sid, target } = parseActivation(payload)
      if (!session) throw forbidden()
      // §6.3.5: whoever the stanza is from is the requester, so nobody activates a stream of others.
      const outcome = proxy.activate(destinationOf(sid, from.full, target.full), from.bare)
      if (outcome !== 'activated') throw refusal(outcome)
      return undefined
    })
  },
})

/** DST.ADDR of the two connections. XEP-0065 §6.3.2. */
function destinationOf(sid: string, requester: string, target: string): string {
  return createHash('sha1').update(`${sid}${requester}${target}`).digest('hex')
}

/** XEP-0065 §4: the proxy is for this server's own accounts. */
function forbidden(): StanzaError {
  return new StanzaError('auth', 'forbidden', 'the proxy is for accounts of this server')
}

/** XEP-0065 §6.3.5. */
function refusal(why: Exclude<Activation, 'activated'>): StanzaError {
  switch (why) {
    case 'unknown':
      // Another requester, another target or another sid: from here they all look alike.
      return new StanzaError('cancel', 'item-not-found', 'no connection waits for this stream')
    case 'one-sided':
      return new StanzaError('cancel', 'not-allowed', 'only one party is connected')
    case 'too-many':
      return new StanzaError('wait', 'resource-constraint', 'this account has as many streams as it may')
  }
}

/** Listening everywhere is no address to connect to. */
function isWildcard(host: string): boolean {
  return isIP(host) !== 0 && /^[0.:]+$/.test(host)
}
