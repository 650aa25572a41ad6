/**
 * Every condition of RFC 6120 is either reached by a scenario over TCP and WebSocket, or by a test named here, or is
 * one that this server never raises, for the reason given here. What is raised is read from the source.
 */

import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')

type Kind = 'StreamCondition' | 'StanzaCondition' | 'SaslCondition'

/** Reached by a test that is no scenario, or over one transport only, and why. */
const ELSEWHERE: Readonly<Record<Kind, Readonly<Record<string, readonly [file: string, why: string]>>>> = {
  StreamCondition: {
    'host-gone': ['test/e2e/component.test.ts', 'a component loses its address'],
    'internal-server-error': ['test/unit/session/session.test.ts', 'a defect of ours, which a scenario cannot make'],
    'resource-constraint': ['test/e2e/bounds.test.ts', 'needs many connections'],
    'see-other-host': ['test/e2e/redirected.test.ts', 'needs a server that is drained; WebSocket: see-other-uri'],
    'system-shutdown': ['test/e2e/shutdown.test.ts', 'ends the server of all scenarios'],
    'unsupported-encoding': [
      'test/scenarios/core/stream-encoding.txt',
      'TCP only: WebSocket text is UTF-8 by RFC 6455',
    ],
  },
  StanzaCondition: {
    'internal-server-error': [
      'test/unit/route/router-errors.test.ts',
      'a defect of ours, which a scenario cannot make',
    ],
    'registration-required': ['test/e2e/component.test.ts', 'who has a session has an account: components alone'],
  },
  SaslCondition: {
    'credentials-expired': ['test/unit/stream/fast.test.ts', 'needs a token to grow old'],
    'encryption-required': ['test/scenarios/core/starttls.txt', 'TCP only: a WebSocket has TLS or none'],
    'temporary-auth-failure': ['test/unit/stream/throttle.test.ts', 'needs many failed logins'],
  },
}

/** Never raised by this server. */
const NEVER: Readonly<Record<Kind, Readonly<Record<string, string>>>> = {
  StreamCondition: {
    'invalid-xml':
      'RFC 6120 §4.9.3.11 is for servers that validate against schemas; this one parses into typed requests',
    'remote-connection-failed': 'there is no server-to-server side, and no remote system that a stream depends on',
    'unsupported-feature': 'RFC 6120 §4.9.3.23 is for the initiating entity, of a feature that the server demands',
  },
  StanzaCondition: {
    redirect: 'no address of this server has moved for a while; one that has for good is gone',
    'subscription-required':
      'what needs a subscription is answered service-unavailable, which does not tell who exists',
  },
  SaslCondition: {
    'account-disabled': 'a disabled account is answered like a wrong password: who asks must not learn that it exists',
    'mechanism-too-weak': 'a mechanism too weak for the account or listener is not offered: invalid-mechanism',
  },
}

const NAMESPACES: Readonly<Record<Kind, string>> = {
  StreamCondition: 'urn:ietf:params:xml:ns:xmpp-streams',
  StanzaCondition: 'urn:ietf:params:xml:ns:xmpp-stanzas',
  SaslCondition: 'urn:ietf:params:xml:ns:xmpp-sasl',
}

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

const source = globSync(['server/**/*.ts', 'modules/**/*.ts'], { cwd: ROOT })
  .filter((file) => file !== 'server/stanza/errors.ts')
  .map(read)
  .join('\n')

const scenarios = globSync('test/scenarios/**/*.txt', { cwd: ROOT }).map(read)
const overTcp = scenarios.filter((text) => !/^only websocket$/m.test(text))
const overWebSocket = scenarios.filter((text) => !/^only tcp$/m.test(text))

function conditionsOf(kind: Kind): string[] {
  const text = read('server/stanza/errors.ts')
  const from = text.indexOf(`export type ${kind} =`)
  return [...text.slice(from, text.indexOf('\n\n', from)).matchAll(/'([a-z-]+)'/g)].map(([, name]) => name ?? '')
}

/** Is an error with this condition made anywhere? */
function isRaised(kind: Kind, condition: string): boolean {
  const made = {
    StreamCondition: `StreamError\\(\\s*'${condition}'`,
    StanzaCondition: `(?:StanzaError\\(|\\[)\\s*'[a-z]+',\\s*'${condition}'`,
    SaslCondition: `SaslError\\(\\s*'${condition}'`,
  }
  return new RegExp(made[kind]).test(source)
}

/** Does a scenario expect it? */
function isReached(kind: Kind, condition: string, texts: readonly string[]): boolean {
  const expected =
    kind === 'SaslCondition'
      ? new RegExp(`<failure[^>]*(?:xmpp-sasl|sasl:2)[^>]*>[^<]*<${condition}[ /]`)
      : new RegExp(`<${condition} xmlns=["']${NAMESPACES[kind]}["']`)
  return texts.some((text) => expected.test(text))
}

describe.each(['StreamCondition', 'StanzaCondition', 'SaslCondition'] as const)('%s', (kind) => {
  const conditions = conditionsOf(kind)

  test('is read, and what raises it', () => {
    expect(conditions.length).toBeGreaterThan(9)
    expect(conditions.filter((condition) => isRaised(kind, condition)).length).toBeGreaterThan(6)
  })

  test.each(conditions)('%s', (condition) => {
    const elsewhere = ELSEWHERE[kind][condition]
    if (condition in NEVER[kind]) {
      expect(isRaised(kind, condition)).toBe(false)
    } else if (elsewhere) {
      expect(read(elsewhere[0])).toContain(condition)
    } else {
      expect(isReached(kind, condition, overTcp), 'over TCP').toBe(true)
      expect(isReached(kind, condition, overWebSocket), 'over WebSocket').toBe(true)
    }
  })

  test('names none that there is not', () => {
    for (const name of [...Object.keys(ELSEWHERE[kind]), ...Object.keys(NEVER[kind])])
      expect(conditions).toContain(name)
  })
})
