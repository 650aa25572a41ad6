/** Work asked of components: checked before it goes anywhere, answered once. SACM-XMPP §2, Jobs. */

import { call, type ModuleContext, Refusal } from '../../server/module/api.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import type { Element } from '../../server/xml/element.ts'
import type { ClaimedPublish, PreparedPublish } from '../pubsub/api.ts'
import { sacmError } from './errors.ts'
import { type Forward, type ForwardParts, forward, requireHandler } from './forward.ts'
import type { JobState } from './model.ts'
import { isComponentId } from './onboarding-xml.ts'
import { type Actor, directedTopicName } from './rules.ts'
import { forgetJob, startBroadcast, startJob, updateJob } from './store.sqlite.ts'
import type { JobKey } from './store.ts'
import { parseJobState, renderJobState } from './work-xml.ts'

export interface JobParts extends ForwardParts {
  readonly ctx: Pick<ModuleContext, 'clock' | 'storage'>
}

/** What starts work, as far as it is alike for collection and evaluation. */
export interface Order {
  readonly id: string
  readonly expires?: number
  readonly responseTopic?: string
}

const PUBLISHED_RESPONSES = ['/repository/posture', '/repository/results']

/**
 * Refuses an order that is too late, or whose answers would go elsewhere than to its sender or the repository.
 * @throws StanzaError expired, forbidden
 */
export function checkOrder({ ctx }: Pick<JobParts, 'ctx'>, { expires, responseTopic }: Order, requester: Actor): void {
  if (expires !== undefined && expires <= ctx.clock.now()) {
    throw sacmError('expired', 'it expired before it could be started (PROTOCOL.md §2.3)')
  }
  if (responseTopic === undefined || PUBLISHED_RESPONSES.includes(responseTopic)) return
  if (requester.component !== undefined && responseTopic === `/${requester.component}/response`) return
  throw sacmError('responseTopicForbidden', `answers may not go to ${responseTopic} (PROTOCOL.md §2.3)`)
}

/**
 * Hands an order to a component. The first request starts the job; a repeat within 24 hours answers its state.
 * @throws StanzaError of the handler, which then has started nothing; handler-offline; remote-server-timeout
 */
export async function startDirected(
  parts: JobParts,
  order: Order,
  request: Forward & { readonly component: string },
): Promise<Element> {
  const key: JobKey = { requester: request.sender.bareJid, id: order.id, component: request.component }
  requireHandler(parts, request.topic, request.to)
  const { storage } = parts.ctx
  const known = await storage.run(startJob, key)
  if (known) return renderJobState(known)
  try {
    const state = readState(await forward(parts, request), key)
    await storage.run(updateJob, { key, state })
    return renderJobState(state)
  } catch (error) {
    // After a time-out it may be under way: asking again must not start it twice. Any other error is a refusal.
    const isUnknown = error instanceof StanzaError && error.condition === 'remote-server-timeout'
    if (!isUnknown) await storage.run(forgetJob, key)
    throw error
  }
}

/** @throws StanzaError undefined-condition when the component answered for something else */
function readState(answer: Element | undefined, { id, component }: JobKey): JobState {
  let state: JobState | undefined
  try {
    state = answer && parseJobState(answer)
  } catch (error) {
    throw sacmError(
      'badAnswer',
      `the component's answer is no job state: ${error instanceof Error ? error.message : ''}`,
    )
  }
  if (state?.job === id && state.component === component) return state
  throw sacmError('badAnswer', 'the component did not answer for this job')
}

/**
 * A broadcast order. Its item id may be `{requester}/{job}`, by which a component learns whom to answer; then both are
 * checked, so that nobody asks in another's name.
 * @throws StanzaError forbidden
 */
export function prepareBroadcast(order: Order, requester: Actor, publish: ClaimedPublish): PreparedPublish {
  const [claimed = '', ...rest] = publish.itemId?.split('/') ?? []
  const isClaim = rest.length > 0 && isComponentId(claimed)
  if (isClaim && (claimed !== requester.component || rest.join('/') !== order.id)) {
    throw sacmError('notYours', 'the item id names another component or job (PROTOCOL.md §2.3)')
  }
  const key: JobKey = { requester: requester.bareJid, id: order.id, component: publish.nodeId }
  return {
    calls: [call(startBroadcast, key)],
    refused(refusal) {
      if (refusal.key === 'jobRepeated') return 'acknowledge'
      throw new Refusal(refusal.key, refusal.message, refusal.detail)
    },
  }
}

/** A component tells a requester how a job stands; kept, then passed on. @throws StanzaError forbidden for another's job */
export async function reportState(parts: JobParts, requester: string, request: Forward): Promise<Element | undefined> {
  const state = parseJobState(request.payload)
  const { sender, topic } = request
  if (sender.component === undefined || state.component !== sender.component) {
    throw sacmError('notYours', `${state.component} is not the sender of ${directedTopicName(topic)}`)
  }
  const key: JobKey = { requester, id: state.job, component: state.component }
  await parts.ctx.storage.run(updateJob, { key, state })
  return forward(parts, request)
}
