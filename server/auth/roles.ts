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
