/** The command by which an owner asks again for the subscription requests that wait for an answer. XEP-0060 §8.7. */

import type { AdHocCommand, CommandStep } from '../../server/module/api.ts'
import { type DataForm, field } from '../../server/stanza/forms.ts'
import type { Jid } from '../../server/stanza/jid.ts'
import { AUTHORIZATION_FORM, askOwner } from './approval.ts'
import { type Asker, nodeView, type PubsubParts } from './context.ts'
import { pubsubError } from './errors.ts'
import { mayManage } from './rules.ts'
import { NS_PUBSUB } from './xml.ts'

/** @param askerOf  who asks, and which service */
export function getPending(parts: PubsubParts, askerOf: (jid: Jid) => Asker): AdHocCommand {
  const mayManageNode = ({ actor, service }: Asker, nodeId: string) =>
    mayManage(parts.replica.standing(nodeView(parts, { service, nodeId }), actor)) === undefined
  const managed = (asker: Asker) =>
    parts.replica.nodesWithPending(asker.service).filter((nodeId) => mayManageNode(asker, nodeId))
  return {
    node: `${NS_PUBSUB}#get-pending`,
    name: 'Subscription requests that wait for an answer',
    // §8.7.3.3: for those who own a node here
    mayRun(jid) {
      const { actor, service } = askerOf(jid)
      return actor.isAdmin || parts.replica.accounts.ownsAny(actor.bareJid, service)
    },
    run: ({ asker }): CommandStep => ({
      form: nodeForm(managed(askerOf(asker))),
      isLast: true,
      submit(filled) {
        const nodeId = field(filled, 'pubsub#node')?.values[0] ?? ''
        const { service } = askerOf(asker)
        const node = nodeView(parts, { service, nodeId }) // §8.7.3.4
        if (!mayManageNode(askerOf(asker), nodeId)) throw pubsubError('notOwner')
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

/** §8.7.2: only the nodes where somebody waits; another is answered for what it is, §8.7.3. */
function nodeForm(nodeIds: readonly string[]): DataForm {
  const options = nodeIds.map((value) => ({ value }))
  const node = {
    name: 'pubsub#node',
    type: 'list-single',
    label: 'Node',
    required: true,
    values: [],
    options,
    isOpen: true,
  } as const
  return { type: 'form', formType: AUTHORIZATION_FORM, fields: [node] }
}
