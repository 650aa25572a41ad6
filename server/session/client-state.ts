/** What an inactive client need not hear at once: presence and chat states, the last of each sender. XEP-0352 §3, §5. */

import type { Nonza, NonzaStream } from '../stream/context.ts'
import type { Stage } from '../stream/features.ts'
import { type Element, el } from '../xml/element.ts'
import { NS_CSI } from '../xml/namespaces.ts'
import { Session } from './session.ts'

const FEATURE = el('csi', { xmlns: NS_CSI })

/** `<active/>` and `<inactive/>`. */
export class ClientStates implements Nonza {
  readonly #isOffered: boolean

  /** @param maxDeferred  stanzas held back from one client; 0: none, and it is not offered */
  constructor(maxDeferred: number) {
    this.#isOffered = maxDeferred > 0
  }

  feature(stage: Stage): Element | undefined {
    return this.#isOffered && stage === 'bind' ? FEATURE : undefined
  }

  take({ user }: NonzaStream, element: Element): boolean {
    const name = element.getName()
    if (!this.#isOffered || !(user instanceof Session) || (name !== 'active' && name !== 'inactive')) return false
    user.setActive(name === 'active')
    return true
  }
}
