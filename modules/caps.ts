/** The server's own entity capabilities in its stream features and behind their node. XEP-0115 §5, §6.3. */

import { createHash } from 'node:crypto'
import { type DiscoInfo, ENDPOINTS, type Module } from '../server/module/api.ts'
import type { DataForm } from '../server/stanza/forms.ts'
import { el } from '../server/xml/element.ts'
import { ownInfo } from './disco.ts'

export const NS_CAPS = 'http://jabber.org/protocol/caps'
const NODE = 'urn:sacm-xmpp:server'

export const caps: Module = {
  name: 'caps',
  specs: [{ doc: 'XEP-0115', version: '1.6.0', status: 'partial', omits: 'caching the capabilities of clients' }],
  requires: ['disco'],
  setup(ctx) {
    const server = ctx.use(ENDPOINTS).get('server')
    let known: { ver: string; features: number } | undefined
    const ver = (): string => {
      // Registrations end with start-up; until then the hash follows their number.
      if (known?.features !== server.features.length)
        known = { ver: capsHash(ownInfo(server)), features: server.features.length }
      return known.ver
    }
    server.feature(NS_CAPS)
    server.info(({ node }) => (node === `${NODE}#${ver()}` ? ownInfo(server) : undefined))
    ctx.streamFeature({
      advertise: (state) =>
        state === 'bind' ? el('c', { xmlns: NS_CAPS, hash: 'sha-1', node: NODE, ver: ver() }) : undefined,
    })
  },
}

/** The verification string's hash. XEP-0115 §5.1. */
export function capsHash(info: DiscoInfo): string {
  const identities = info.identities
    .map(({ category, type, name }) => `${category}/${type}//${name ?? ''}<`)
    .sort(byOctets)
  const features = info.features.map((feature) => `${feature}<`).sort(byOctets)
  const forms = (info.forms ?? []).map(formString).sort(byOctets)
  return createHash('sha1')
    .update(`${identities.join('')}${features.join('')}${forms.join('')}`)
    .digest('base64')
}

function formString(form: DataForm): string {
  const fields = form.fields.map(
    ({ name, values }) =>
      `${name}<${[...values]
        .sort(byOctets)
        .map((value) => `${value}<`)
        .join('')}`,
  )
  return `${form.formType ?? ''}<${fields.sort(byOctets).join('')}`
}

/** The i;octet collation of RFC 4790 §9.3. */
function byOctets(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
