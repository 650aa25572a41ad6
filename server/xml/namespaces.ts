/** Namespaces that the core of the server uses; a module keeps its own in its own file. */

export const NS_CLIENT = 'jabber:client'
export const NS_STREAM = 'http://etherx.jabber.org/streams' // RFC 6120 §4.8.1
export const NS_STREAMS = 'urn:ietf:params:xml:ns:xmpp-streams' // RFC 6120 §4.9.2
export const NS_STANZAS = 'urn:ietf:params:xml:ns:xmpp-stanzas' // RFC 6120 §8.3.2
export const NS_TLS = 'urn:ietf:params:xml:ns:xmpp-tls' // RFC 6120 §5
export const NS_SASL = 'urn:ietf:params:xml:ns:xmpp-sasl' // RFC 6120 §6
export const NS_SASL2 = 'urn:xmpp:sasl:2' // XEP-0388
export const NS_BIND2 = 'urn:xmpp:bind:0' // XEP-0386
export const NS_FAST = 'urn:xmpp:fast:0' // XEP-0484
export const NS_SASL_CB = 'urn:xmpp:sasl-cb:0' // XEP-0440
export const NS_BIND = 'urn:ietf:params:xml:ns:xmpp-bind' // RFC 6120 §7
export const NS_SESSION = 'urn:ietf:params:xml:ns:xmpp-session' // RFC 3921 §3, optional since RFC 6121
export const NS_FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing' // RFC 7395 §3.3
export const NS_XML = 'http://www.w3.org/XML/1998/namespace'
export const NS_XMLNS = 'http://www.w3.org/2000/xmlns/'
export const NS_FORMS = 'jabber:x:data' // XEP-0004
export const NS_RSM = 'http://jabber.org/protocol/rsm' // XEP-0059
export const NS_DELAY = 'urn:xmpp:delay' // XEP-0203
export const NS_STREAM_LIMITS = 'urn:xmpp:stream-limits:0' // XEP-0478
export const NS_SM = 'urn:xmpp:sm:3' // XEP-0198
export const NS_CSI = 'urn:xmpp:csi:0' // XEP-0352
export const NS_PING = 'urn:xmpp:ping' // XEP-0199
export const NS_COMPONENT = 'jabber:component:accept' // XEP-0114
