/** The command by which an owner asks again for the subscription requests that wait for an answer. XEP-0060 §8.7. */

import type { AdHocCommand, CommandStep } from '../../server/module/api.ts'
import { type DataForm, field } from '../../server/stanza/forms.ts'
import type { Jid } from '../../server/stanza/jid.ts'
import { AUTHORIZATION_FORM, askOwner } from './approval.ts'
import { askerOf, nodeView, type PubsubParts } from './context.ts'
import { pubsubError } from './errors.ts'
import { mayManage } from './rules.ts'
import { SHARED_SERVICE } from './store.ts'
import { NS_PUBSUB } from './xml.ts'

/** @param address  where the command is asked for: its nodes are those of the whole service */
export function getPending(parts: PubsubParts, address: string, service = SHARED_SERVICE): AdHocCommand {
  const managed = (asker: Jid) =>
    parts.replica.nodesWithPending(service).filter((nodeId) => mayManageNode(asker, nodeId))
  const mayManageNode = (asker: Jid, nodeId: string) =>
    mayManage(
      parts.replica.standing(nodeView(parts, { service, nodeId }), askerOf(parts.accounts, asker, address).actor),
    ) === undefined
  return {
    node: `${NS_PUBSUB}#get-pending`,
    name: 'Subscription requests that wait for an answer',
    // §8.7.3.3: for those who own a node here
    mayRun: (asker) => parts.accounts.roles(asker.bare).has('admin') || parts.replica.ownsAny(asker.bare, service),
    run: ({ asker }): CommandStep => ({
      form: nodeForm(managed(asker)),
      isLast: true,
      submit(filled) {
        const nodeId = field(filled, 'pubsub#node')?.values[0] ?? ''
        const node = nodeView(parts, { service, nodeId }) // §8.7.3.4
        if (!mayManageNode(asker, nodeId)) throw pubsubError('notOwner')
        const requests = [...node.pending.values()]
        // §8.7.4: after the answer, one message per request, to who asked
        setImmediate(() => {
          for (const request of requests) askOwner(parts, asker, request)
        })
        return {}
      },
    }),
  }
}

/** §8.7.2: only the nodes where somebody waits. */
function nodeForm(nodeIds: readonly string[]): DataForm {
  const options = nodeIds.map((value) => ({ value }))
  const node = { name: 'pubsub#node', type: 'list-single', label: 'Node', required: true, values: [], options } as const
  return { type: 'form', formType: AUTHORIZATION_FORM, fields: [node] }
}
