/** `<command/>` to request and from outcome. XEP-0050 §4. */

import type { CommandForm, CommandResult } from '../../server/module/api.ts'
import { renderForm } from '../../server/stanza/forms.ts'
import { attr, childOf, type Element, el } from '../../server/xml/element.ts'
import { NS_FORMS } from '../../server/xml/namespaces.ts'

export const NS_COMMANDS = 'http://jabber.org/protocol/commands'

const ACTIONS = ['execute', 'next', 'prev', 'complete', 'cancel'] as const
export type Action = (typeof ACTIONS)[number]

export interface CommandRequest {
  readonly node: string
  readonly sessionId: string | undefined
  /** Undefined: none of the five. */
  readonly action: Action | undefined
  /** `<x xmlns='jabber:x:data'/>`, not read yet. */
  readonly form: Element | undefined
}

/** What the requester may not set (status, notes, actions) is ignored. */
export function parseCommand(command: Element): CommandRequest {
  const action = attr(command, 'action') ?? 'execute'
  return {
    node: attr(command, 'node') ?? '',
    sessionId: attr(command, 'sessionid'),
    action: ACTIONS.find((known) => known === action),
    form: childOf(command, 'x', NS_FORMS),
  }
}

export type Outcome =
  | { readonly status: 'executing'; readonly stage: CommandForm; readonly hasPrevious: boolean }
  | { readonly status: 'completed'; readonly result: CommandResult }
  | { readonly status: 'canceled' }

export function renderCommand(node: string, sessionId: string, outcome: Outcome): Element {
  return el(
    'command',
    // §3.7: the language in use is told; there is one.
    { xmlns: NS_COMMANDS, node, sessionid: sessionId, status: outcome.status, 'xml:lang': 'en' },
    ...children(outcome),
  )
}

function children(outcome: Outcome): (Element | undefined)[] {
  switch (outcome.status) {
    case 'executing': {
      const forward = outcome.stage.isLast ? 'complete' : 'next'
      return [
        el('actions', { execute: forward }, outcome.hasPrevious ? el('prev') : undefined, el(forward)),
        renderForm(outcome.stage.form),
      ]
    }
    case 'completed': {
      const { note, result, inResult = [] } = outcome.result
      const form = result && renderForm(result)
      for (const each of inResult) form?.cnode(each)
      return [note && el('note', { type: note.type }, note.text), form]
    }
    case 'canceled':
      return []
  }
}
