/** What sessions let be negotiated inside a login: resumption, acknowledgements, client state. XEP-0198 §7, XEP-0386 §4.2. */

import type { Inline } from '../stream/bind2.ts'
import { el, isElement } from '../xml/element.ts'
import { NS_CSI, NS_SM } from '../xml/namespaces.ts'
import type { ClientStates } from './client-state.ts'
import type { StreamManagement } from './management.ts'
import { Session } from './session.ts'

export function inlineFeatures(management: StreamManagement, states: ClientStates): Inline {
  const hasStates = states.feature('bind') !== undefined
  return {
    login: [el('sm', { xmlns: NS_SM })],
    bind: hasStates ? [NS_SM, NS_CSI] : [NS_SM],
    resume: (stream, account, children) => {
      const request = children.find((child) => isElement(child, 'resume', NS_SM))
      return request && management.resume(stream, account, request)
    },
    enable: (user, request) => {
      if (!(user instanceof Session)) return undefined
      if (isElement(request, 'enable', NS_SM) && !user.isManaged) return management.enable(user, request)
      // Begins in that state; nothing answers it.
      if (hasStates && isElement(request, 'inactive', NS_CSI)) user.setActive(false)
      return undefined
    },
  }
}
