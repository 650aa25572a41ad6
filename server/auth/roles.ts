/** The roles of SACM components and the endpoints that a grant reaches. SACM-XMPP §1. */

export const ROLES = ['orchestrator', 'collector', 'evaluator', 'repository', 'publisher', 'consumer', 'admin'] as const
export type Role = (typeof ROLES)[number]

/** True when the text names a role. */
export function isRole(text: string): text is Role {
  return (ROLES as readonly string[]).includes(text)
}

/**
 * What a role of an account reaches: `any` endpoint, endpoints by `id` or `label`, or `self`: the endpoint first bound
 * to the account (`endpointId` undefined until then).
 */
export type Grant =
  | { readonly role: Role; readonly scope: 'any' }
  | { readonly role: Role; readonly scope: 'id'; readonly endpointId: string }
  | { readonly role: Role; readonly scope: 'label'; readonly label: string }
  | { readonly role: Role; readonly scope: 'self'; readonly endpointId: string | undefined }

/** A text that does not name a grant; the message says what would. */
export class GrantError extends Error {
  override readonly name = 'GrantError'
}

/** Reports come from the host that an account stands for; every other role works on the whole fleet. SACM-XMPP §1. */
function defaultGrant(role: Role): Grant {
  return role === 'collector' ? { role, scope: 'self', endpointId: undefined } : { role, scope: 'any' }
}

/**
 * Reads `ROLE`, `ROLE:any`, `ROLE:self`, `ROLE:self=ID`, `ROLE:id=ID` or `ROLE:label=LABEL`. A role alone reaches any
 * endpoint, a collector its own.
 * @throws GrantError
 */
export function parseGrant(text: string): Grant {
  const [, roleText = '', scope, target] = /^([^:]*)(?::([^=]*)(?:=(.*))?)?$/s.exec(text.trim()) ?? []
  if (!isRole(roleText)) throw new GrantError(`there is no role '${roleText}'; the roles are ${ROLES.join(', ')}`)
  if (scope === undefined) return defaultGrant(roleText)
  if (scope === 'any' && target === undefined) return { role: roleText, scope }
  if (scope === 'self' && target !== '') return { role: roleText, scope, endpointId: target }
  if (scope === 'id' && target) return { role: roleText, scope, endpointId: target }
  if (scope === 'label' && target) return { role: roleText, scope, label: target }
  throw new GrantError(
    `'${text}' is not a grant; write ${roleText}, ${roleText}:any, ${roleText}:self, ${roleText}:id=ID or ${roleText}:label=LABEL`,
  )
}

/** The text that `parseGrant` reads back as this grant. */
export function formatGrant(grant: Grant): string {
  switch (grant.scope) {
    case 'any':
      return `${grant.role}:any`
    case 'id':
      return `${grant.role}:id=${grant.endpointId}`
    case 'label':
      return `${grant.role}:label=${grant.label}`
    case 'self':
      return grant.endpointId === undefined ? `${grant.role}:self` : `${grant.role}:self=${grant.endpointId}`
  }
}
