/** What the core of the server implements; modules name their own. Printed by `sacm version --specs` and in the README. */

import type { SpecRef } from './module/api.ts'

export const coreSpecs: readonly SpecRef[] = [
  { doc: 'RFC 6120', version: '2011-03', status: 'partial', omits: 'server-to-server streams (§10.4)' },
  {
    doc: 'RFC 6121',
    version: '2011-03',
    status: 'partial',
    omits: 'contacts at other servers (§8.3), accounts that have moved (§4.3.2)',
  },
  { doc: 'RFC 7395', version: '2014-10', status: 'complete' },
  { doc: 'RFC 7590', version: '2015-06', status: 'complete' },
  { doc: 'RFC 7622', version: '2015-09', status: 'complete' },
  { doc: 'RFC 4505', version: '2006-06', status: 'complete' },
  { doc: 'RFC 4616', version: '2006-08', status: 'complete' },
  { doc: 'RFC 5802', version: '2010-07', status: 'complete' },
  {
    doc: 'RFC 5929',
    version: '2010-07',
    status: 'partial',
    omits:
      'tls-unique (§3) is taken from clients that know no other type over TLS 1.3, and not advertised; tls-unique-for-telnet (§5)',
  },
  { doc: 'RFC 7677', version: '2015-11', status: 'complete' },
  {
    doc: 'RFC 9266',
    version: '2022-07',
    status: 'partial',
    omits: 'TLS 1.2: it needs the extended master secret, of which Node tells nothing',
  },
  { doc: 'XEP-0004', version: '2.13.1', status: 'partial', omits: 'multi-item results (§3.4)' },
  { doc: 'XEP-0059', version: '1.0', status: 'complete' },
  { doc: 'XEP-0082', version: '1.1.1', status: 'complete' },
  {
    doc: 'XEP-0114',
    version: '1.6',
    status: 'partial',
    omits: 'jabber:component:connect: the server listens for components, it does not connect to them',
  },
  { doc: 'XEP-0178', version: '1.2', status: 'partial', omits: 'server-to-server (§3)' },
  {
    doc: 'XEP-0386',
    version: '1.1.0',
    status: 'partial',
    omits: 'archive metadata: there is no archive yet, so offline messages are delivered and not cleared',
  },
  { doc: 'XEP-0388', version: '1.0.4', status: 'complete' },
  {
    doc: 'XEP-0106',
    version: '1.1.1',
    status: 'partial',
    omits: 'the feature (§6): the command line takes accounts as people write them, the server transforms no address',
  },
  { doc: 'XEP-0440', version: '1.0.0', status: 'complete' },
  { doc: 'XEP-0474', version: '0.5.0', status: 'complete' },
  { doc: 'XEP-0198', version: '1.6.3', status: 'complete' },
  { doc: 'XEP-0352', version: '1.0.0', status: 'complete' },
  { doc: 'XEP-0480', version: '0.2.0', status: 'complete' },
  { doc: 'XEP-0478', version: '0.2.1', status: 'complete' },
  { doc: 'XEP-0368', version: '1.1.0', status: 'partial', omits: 'server-to-server' },
  { doc: 'XEP-0484', version: '0.2.0', status: 'partial', omits: 'TLS 0-RTT (§3.4): Node has none' },
]
