/**
 * `client` of @xmpp/client 0.14.0, made to hear a server that is quick: over TLS it begins to wait for the server's stream header only
 * when its own has been written and said to be, and times out when the answer was there first.
 */

import { client as make, type XmppClient } from '@xmpp/client'

export function client(options: Parameters<typeof make>[0]): XmppClient {
  const xmpp = make(options)
  const write = xmpp.write.bind(xmpp)
  xmpp.write = async (text) => {
    const written = write(text)
    if (!text.startsWith('<?xml')) await written
    // What cannot be written ends the connection, which the library hears of by itself.
    else written.catch(() => {})
  }
  return xmpp
}
