/** What both models answer and tell by: a refusal ends a request, and what accounts are told is taken after it. */

export const AFFILIATIONS = ['owner', 'publisher', 'publish-only', 'member', 'none', 'outcast'] as const
export type Affiliation = (typeof AFFILIATIONS)[number]

class Refused extends Error {}

/** Ends the request with `condition` or `condition/application`. */
export function refuse(error: string): never {
  throw new Refused(error)
}

/** @returns the answer, or the error */
export function answerOf(perform: () => string): string {
  try {
    return perform()
  } catch (error) {
    if (error instanceof Refused) return error.message
    throw error
  }
}

export class Told<Actor> {
  #told = new Map<Actor, string[]>()

  tell(jid: Actor, what: string): void {
    this.#told.set(jid, [...(this.#told.get(jid) ?? []), what])
  }

  /** What each was told since it was last taken, in order. */
  take(): Map<Actor, string[]> {
    const told = this.#told
    this.#told = new Map()
    return told
  }
}
