/** What the fuzz test says: good stanzas, the same with faults, elements put together at random, and noise. */

import type { Random } from '../support/random.ts'

const NS_STREAM = 'http://etherx.jabber.org/streams'

export const HEADER = `<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='${NS_STREAM}'>`
export const OPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>"

export function login(user: string, password: string): string {
  const data = Buffer.from(`\0${user}\0${password}`).toString('base64')
  return `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${data}</auth>`
}

/** Login, resource and stream management in one. XEP-0388 §2, XEP-0386 §3. */
export function loginInline(user: string, password: string): string {
  const data = Buffer.from(`\0${user}\0${password}`).toString('base64')
  return (
    `<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>${data}</initial-response>` +
    "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'><software>fuzz</software></user-agent>" +
    "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/><request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>" +
    "<bind xmlns='urn:xmpp:bind2:1'><tag>fuzz</tag><enable xmlns='urn:xmpp:sm:3' resume='true' max='1'/><inactive xmlns='urn:xmpp:csi:0'/></bind></authenticate>"
  )
}

const STANZAS = [
  "<presence><priority>1</priority><show>away</show><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v'/></presence>",
  "<presence to='alice@localhost/r1' type='unavailable'/>",
  "<presence to='pubsub.localhost'/>",
  "<presence type='subscribe' to='bob@localhost'/>",
  "<message to='alice@localhost/r2' type='chat' id='m1'><body>hello &amp; goodbye</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
  "<message to='nobody@localhost' id='m2' xml:lang='de'><subject>s</subject></message>",
  "<iq type='get' id='i1' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>",
  "<iq type='get' id='i2' to='localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
  "<iq type='get' id='i3' to='pubsub.localhost'><query xmlns='http://jabber.org/protocol/disco#items'><set xmlns='http://jabber.org/protocol/rsm'><max>5</max></set></query></iq>",
  "<iq type='get' id='i4'><query xmlns='jabber:iq:roster'/></iq>",
  "<iq type='set' id='i5'><query xmlns='jabber:iq:roster'><item jid='bob@localhost' name='Bob'><group>g</group></item></query></iq>",
  "<iq type='set' id='i6' to='pubsub.localhost'><pubsub xmlns='http://jabber.org/protocol/pubsub'><create node='fuzz'/><configure><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#node_config</value></field><field var='pubsub#max_items'><value>5</value></field></x></configure></pubsub></iq>",
  "<iq type='set' id='i7' to='pubsub.localhost'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='fuzz'><item id='1'><entry xmlns='urn:e'><x:y xmlns:x='urn:x' x:z='1'/></entry></item></publish></pubsub></iq>",
  "<iq type='set' id='i8' to='pubsub.localhost'><pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='fuzz' jid='alice@localhost'/></pubsub></iq>",
  "<iq type='get' id='i9' to='pubsub.localhost'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='fuzz' max_items='2'/></pubsub></iq>",
  "<iq type='set' id='i10' to='sacm.localhost'><request xmlns='urn:sacm-xmpp:topic:0' topic='/orchestrator/registration' timeout='1'><register xmlns='urn:sacm-xmpp:registration:0'><component type='x' name='n'/></register></request></iq>",
  "<iq type='get' id='i11' to='repository.localhost'><posture xmlns='urn:sacm-xmpp:repository:0' name='os.*'/></iq>",
  "<iq type='set' id='i12' to='pubsub.localhost'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='/repository/posture'><item id='p1'><report xmlns='urn:sacm-xmpp:posture:0' collected='2026-01-01T00:00:00Z' method='self' scope='full'><endpoint><identifier type='machine-id' value='m'/></endpoint><covers prefix='os.'/><attribute name='os.name' type='string' collected='2026-01-01T00:00:00Z' status='exists'>x</attribute></report></item></publish></pubsub></iq>",
  "<iq type='result' id='i1' to='localhost'/>",
  "<iq type='error' id='i1' to='localhost'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
  "<iq type='get' id='i13' to='localhost'><query xmlns='jabber:iq:register'/></iq>",
  "<iq type='set' id='i14' to='localhost'><command xmlns='http://jabber.org/protocol/commands' node='http://jabber.org/protocol/admin#get-online-users-num' action='execute'/></iq>",
  "<iq type='set' id='i15'><vCard xmlns='vcard-temp'><FN>a</FN><PHOTO><TYPE>image/png</TYPE><BINVAL>iVBORw0KGgo=</BINVAL></PHOTO></vCard></iq>",
  "<iq type='get' id='i16' to='bob@localhost'><vCard xmlns='vcard-temp'/></iq>",
  "<iq type='set' id='i17'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='http://jabber.org/protocol/nick'><item id='current'><nick xmlns='http://jabber.org/protocol/nick'>a</nick></item></publish><publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#publish-options</value></field><field var='pubsub#access_model'><value>open</value></field></x></publish-options></pubsub></iq>",
  "<iq type='get' id='i18' to='alice@localhost'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='http://jabber.org/protocol/nick'><item id='current'/></items><set xmlns='http://jabber.org/protocol/rsm'><max>2</max><before/></set></pubsub></iq>",
  "<iq type='set' id='i19' to='pubsub.localhost'><query xmlns='urn:xmpp:mam:2' queryid='q' node='fuzz'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field><field var='start'><value>2026-01-01T00:00:00Z</value></field></x><set xmlns='http://jabber.org/protocol/rsm'><max>2</max></set></query></iq>",
  "<iq type='set' id='i20' to='pubsub.localhost'><pubsub xmlns='http://jabber.org/protocol/pubsub'><options node='fuzz' jid='alice@localhost'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#subscribe_options</value></field><field var='pubsub#digest'><value>1</value></field><field var='pubsub#digest_frequency'><value>1000</value></field><field var='pubsub#expire'><value>2099-01-01T00:00:00Z</value></field></x></options></pubsub></iq>",
  "<iq type='set' id='i21' to='pubsub.localhost'><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><affiliations node='fuzz'><affiliation jid='bob@localhost' affiliation='publisher'/></affiliations></pubsub></iq>",
  "<iq type='set' id='i22' to='pubsub.localhost'><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='fuzz'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#node_config</value></field><field var='pubsub#collection'><value>tree</value></field><field var='pubsub#access_model'><value>authorize</value></field></x></configure></pubsub></iq>",
  "<iq type='set' id='i23' to='pubsub.localhost'><pubsub xmlns='http://jabber.org/protocol/pubsub'><retract node='fuzz' notify='1'><item id='1'/></retract></pubsub></iq>",
  "<iq type='set' id='i24' to='pubsub.localhost'><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><delete node='fuzz'/></pubsub></iq>",
] as const

const NONZAS = [
  "<enable xmlns='urn:xmpp:sm:3' resume='true' max='1'/>",
  "<r xmlns='urn:xmpp:sm:3'/>",
  "<a xmlns='urn:xmpp:sm:3' h='0'/>",
  "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>",
  "<inactive xmlns='urn:xmpp:csi:0'/>",
  "<active xmlns='urn:xmpp:csi:0'/>",
] as const

export const CORPUS = {
  bind(resource: string, isWebSocket: boolean): string {
    const iq = `<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>${resource}</resource></bind></iq>`
    return isWebSocket ? framed(iq) : iq
  },
  stanzas(isWebSocket: boolean): string[] {
    return [...STANZAS.map((stanza) => (isWebSocket ? framed(stanza) : stanza)), ...NONZAS]
  },
}

function framed(stanza: string): string {
  return stanza.replace(/^<(message|presence|iq)/, "<$1 xmlns='jabber:client'")
}

const TOKENS = [
  '<',
  '>',
  '/>',
  '</',
  '&',
  '&amp;',
  '&#0;',
  '&#x10FFFF;',
  '&unknown;',
  "'",
  '"',
  '=',
  "xmlns=''",
  "xmlns:a='urn:a'",
  'a:b',
  ']]>',
  '<![CDATA[',
  '<!--',
  '<!DOCTYPE x>',
  '<?pi?>',
  '</stream:stream>',
  "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>",
  '\u0000',
  '\ufffe',
  '\ud83d\ude00',
  '__proto__',
  'constructor',
  '4294967296',
  '-1',
  'NaN',
  '\u202e',
] as const

/** One to four faults in what was good. */
export function mutated(good: string, choice: Random): string | Buffer {
  let text = good
  for (let n = 1 + choice.int(4); n > 0; n--) {
    const at = choice.int(text.length + 1)
    const to = Math.min(text.length, at + choice.int(20))
    switch (choice.int(6)) {
      case 0:
        text = text.slice(0, at) + text.slice(to)
        break
      case 1:
        text = text.slice(0, to) + text.slice(at)
        break
      case 2:
        text = text.slice(0, at) + choice.pick(TOKENS) + text.slice(at)
        break
      case 3:
        text = text.slice(0, at) + String.fromCharCode(choice.int(0x250)) + text.slice(at + 1)
        break
      case 4:
        text = text.replaceAll(choice.pick(["'", ' ', 'localhost', 'xmlns', 'id', 'urn:', 'jid']), choice.pick(TOKENS))
        break
      default:
        text = text.slice(0, at) + 'x'.repeat(choice.int(5_000)) + text.slice(at)
    }
  }
  if (choice.int(8) > 0) return text
  const bytes = Buffer.from(text)
  bytes[choice.int(bytes.length)] = choice.int(256)
  return bytes
}

const NAMES = [
  'iq',
  'message',
  'presence',
  'query',
  'pubsub',
  'items',
  'item',
  'publish',
  'subscribe',
  'x',
  'field',
  'value',
  'error',
  'set',
  'max',
  'before',
  'request',
  'report',
  'endpoint',
  'attribute',
  'command',
  'ping',
] as const
const SPACES = [
  'jabber:client',
  'jabber:x:data',
  'jabber:iq:roster',
  'http://jabber.org/protocol/pubsub',
  'http://jabber.org/protocol/pubsub#owner',
  'http://jabber.org/protocol/disco#info',
  'http://jabber.org/protocol/disco#items',
  'http://jabber.org/protocol/rsm',
  'http://jabber.org/protocol/commands',
  'urn:xmpp:ping',
  'urn:xmpp:sm:3',
  'urn:sacm-xmpp:topic:0',
  'urn:sacm-xmpp:repository:0',
  'urn:sacm-xmpp:posture:0',
  'urn:xmpp:sasl:2',
  'urn:ietf:params:xml:ns:xmpp-stanzas',
  '',
] as const
const ATTRIBUTES = [
  'type',
  'id',
  'to',
  'from',
  'node',
  'jid',
  'var',
  'topic',
  'name',
  'h',
  'previd',
  'max_items',
  'xml:lang',
  'action',
  'sessionid',
  'subid',
] as const
const VALUES = [
  'get',
  'set',
  'result',
  'error',
  'subscribe',
  'unavailable',
  'localhost',
  'pubsub.localhost',
  'sacm.localhost',
  'repository.localhost',
  'alice@localhost',
  'alice@localhost/r0',
  'fuzz',
  '/repository/posture',
  '/inventory',
  '',
  '1',
  '-1',
  '__proto__',
  '@',
  'a@b/c',
  'submit',
  'FORM_TYPE',
] as const

/** A well-formed first-level element of parts that the server knows. */
export function element(choice: Random, isWebSocket: boolean): string {
  const name = choice.pick(['iq', 'iq', 'iq', 'message', 'presence'] as const)
  const xmlns = isWebSocket ? " xmlns='jabber:client'" : ''
  return `<${name}${xmlns}${attributes(choice)}>${children(choice, 3)}</${name}>`
}

function children(choice: Random, depth: number): string {
  let text = ''
  for (let n = choice.int(3); n >= 0 && depth > 0; n--) {
    if (choice.int(5) === 0) {
      text += choice.pick(VALUES)
      continue
    }
    const name = choice.pick(NAMES)
    const xmlns = choice.int(2) === 0 ? ` xmlns='${choice.pick(SPACES)}'` : ''
    text += `<${name}${xmlns}${attributes(choice)}>${children(choice, depth - 1)}</${name}>`
  }
  return text
}

function attributes(choice: Random): string {
  const taken = new Set<string>()
  for (let n = choice.int(5); n > 0; n--) taken.add(choice.pick(ATTRIBUTES))
  return [...taken].map((name) => ` ${name}='${choice.pick(VALUES)}'`).join('')
}

export function noise(choice: Random): Buffer {
  return Buffer.from(Array.from({ length: 1 + choice.int(400) }, () => choice.int(256)))
}
