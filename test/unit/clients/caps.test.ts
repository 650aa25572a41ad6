/** Entity capabilities against XEP-0115's own examples. */

import { describe, expect, it } from 'vitest'
import { capsVer, type DiscoInfo, parseCaps, renderCaps, verifyCaps } from '../../../clients/core/caps.ts'
import { el } from '../../../server/xml/element.ts'

const FEATURES = [
  'http://jabber.org/protocol/disco#info',
  'http://jabber.org/protocol/disco#items',
  'http://jabber.org/protocol/muc',
  'http://jabber.org/protocol/caps',
]
/** XEP-0115 §5.2. */
const EXODUS: DiscoInfo = {
  identities: [{ category: 'client', type: 'pc', name: 'Exodus 0.9.1' }],
  features: FEATURES,
  forms: [],
}
/** XEP-0115 §5.3. */
const PSI: DiscoInfo = {
  identities: [
    { category: 'client', type: 'pc', lang: 'el', name: 'Ψ 0.11' },
    { category: 'client', type: 'pc', lang: 'en', name: 'Psi 0.11' },
  ],
  features: FEATURES,
  forms: [
    {
      type: 'result',
      formType: 'urn:xmpp:dataforms:softwareinfo',
      fields: [
        { name: 'ip_version', values: ['ipv4', 'ipv6'] },
        { name: 'os', values: ['Mac'] },
        { name: 'os_version', values: ['10.5.1'] },
        { name: 'software', values: ['Psi'] },
        { name: 'software_version', values: ['0.11'] },
      ],
    },
  ],
}

describe('the verification string', () => {
  it('XEP-0115 §5.2: the simple example', () => {
    expect(capsVer(EXODUS)).toBe('QgayPKawpkPSDYmwT/WM94uAlu0=')
  })

  it('XEP-0115 §5.3: the complex example, in whatever order it comes', () => {
    expect(capsVer(PSI)).toBe('q07IKJEyjvHSyhy//CH0CxmKi8w=')
    const [form] = PSI.forms
    const turned: DiscoInfo = {
      identities: PSI.identities.toReversed(),
      features: PSI.features.toReversed(),
      forms: form ? [{ ...form, fields: form.fields.toReversed() }] : [],
    }
    expect(capsVer(turned)).toBe('q07IKJEyjvHSyhy//CH0CxmKi8w=')
  })

  it('XEP-0115 §5.4: is not believed when it does not match, or when the info repeats itself', () => {
    const caps = { hash: 'sha-1', node: 'http://example.org', ver: 'QgayPKawpkPSDYmwT/WM94uAlu0=' }
    expect(verifyCaps(EXODUS, caps)).toBe(true)
    expect(verifyCaps({ ...EXODUS, features: [...FEATURES, 'urn:forged'] }, caps)).toBe(false)
    const twice = { ...EXODUS, features: [...FEATURES, ...FEATURES] }
    expect(verifyCaps(twice, { ...caps, ver: capsVer(twice) })).toBe(false)
    expect(verifyCaps(EXODUS, { ...caps, hash: 'md5' })).toBe(false)
    expect(verifyCaps(EXODUS, { ...caps, hash: 'constructor' })).toBe(false)
  })

  it('travels in presence', () => {
    const caps = { hash: 'sha-1', node: 'http://example.org', ver: 'x' }
    expect(parseCaps(el('presence', { xmlns: 'jabber:client' }, renderCaps(caps)))).toEqual(caps)
    expect(parseCaps(el('presence', { xmlns: 'jabber:client' }))).toBeUndefined()
  })
})
