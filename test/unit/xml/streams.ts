/** Streams as clients really send them, for mutation: login, presence, chat, publish, result sets, data forms. */

const HEADER =
  "<?xml version='1.0'?><stream:stream to='example.org' version='1.0' xml:lang='en' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

export const STREAMS: readonly string[] = [
  `${HEADER}<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>`,
  `${HEADER}<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>biwsbj1hbGljZSxyPWZ5a28rZDJsYmJGZ09OUnY5cWt4ZGF3TA==</auth><response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>Yz1iaXdz</response></stream:stream>`,
  `${HEADER}<iq id="yhc13a95" type="set"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><resource>balcony</resource></bind></iq>\n<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://code.google.com/p/exodus' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/><show>away</show><status xml:lang='cs'>Prsím, přijď &#x2014; brzy</status></presence></stream:stream>`,
  `${HEADER} <message from='juliet@example.com/balcony' id='ktx72v49' to='romeo@example.net' type='chat' xml:lang='en'><body>Art thou not Romeo, &amp; a &lt;Montague&gt;? "yes" it&apos;s 😀</body><html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><p style='font-weight:bold'>hi!<br/></p></body></html></message>\r\n</stream:stream>`,
  `${HEADER}<iq type='set' id='pub1' to='pubsub.example.org'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='princely_musings'><item id='bnd81g37d61f49fgn581'><entry xmlns='http://www.w3.org/2005/Atom' xmlns:thr='http://purl.org/syndication/thread/1.0'><title>Soliloquy</title><summary><![CDATA[To be, or not to be: that is the <question>: ]]]]><![CDATA[>]]></summary><link rel='alternate' type='text/html' href='http://denmark.lit/?a=1&amp;b=2'/><thr:in-reply-to thr:ref='x' ref='y'/></entry></item></publish></pubsub></iq></stream:stream>`,
  `${HEADER}<iq type='set' to='repository.example.org' id='q1'><posture xmlns='urn:sacm-xmpp:repository:0' name='os.*'><set xmlns='http://jabber.org/protocol/rsm'><max>10</max><after>4711</after></set></posture></iq><iq type='result' id='x'><query xmlns='jabber:iq:roster'/></iq></stream:stream>`,
  `${HEADER}<iq type='set' id='config2' to='pubsub.example.org'><p:pubsub xmlns:p='http://jabber.org/protocol/pubsub#owner'><p:configure node='n'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#node_config</value></field><field var='pubsub#title'><value/></field></x></p:configure></p:pubsub></iq></stream:stream>`,
  `${HEADER}<message to='a@b' ><x xmlns=''><y xmlns='u:v' a='&#9;1\n2'  b="'"/></x><long>${'lorem ipsum '.repeat(20)}</long></message   ><presence type='unavailable'></presence></stream:stream>`,
]
