/** Tells the server's name and version. XEP-0092. */

import type { Module } from '../server/module/api.ts'
import { el } from '../server/xml/element.ts'

export const NS_VERSION = 'jabber:iq:version'

export const version: Module = {
  name: 'version',
  specs: [{ doc: 'XEP-0092', version: '1.1', status: 'complete' }],
  setup(ctx) {
    const endpoint = ctx.endpoint('server')
    endpoint.feature(NS_VERSION)
    // XEP-0092 §3: the operating system is optional, and tells an attacker more than a user
    endpoint.onIq('get', `{${NS_VERSION}}query`, () =>
      el('query', { xmlns: NS_VERSION }, el('name', {}, 'sacm'), el('version', {}, ctx.version)),
    )
  },
}
