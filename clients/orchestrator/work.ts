/** What an orchestrator makes others do: collect, evaluate, take a policy. SACM-XMPP §2, §3; ARCH §Ad-Hoc. */

import { randomUUID } from 'node:crypto'
import {
  type InventoryItem,
  type JobState,
  parseInventoryItem,
  parseJobState,
  renderCollect,
  renderEvaluate,
} from '../../modules/sacm/xml.ts'
import { type Policy, parsePolicyText, renderPolicy } from '../../modules/scap/policy.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import type { Element } from '../../server/xml/element.ts'
import { itemsPage, publish } from '../core/pubsub.ts'
import { pages } from '../core/rsm.ts'
import { hasCapability } from './inventory.ts'
import { type JobReport, watchJob } from './job-watch.ts'
import type { Session } from './session.ts'

const CAPABILITY_COLLECTION = 'urn:sacm-xmpp:capability:collection:system'
const CAPABILITY_EVALUATION = 'urn:sacm-xmpp:capability:evaluation:system'
const TOPIC_COLLECTION = '/collection/system'
const TOPIC_POLICY = '/repository/policy'
const TOPIC_INVENTORY = '/inventory'
const ITEMS_PER_PAGE = 100
const DEFAULT_TIMEOUT_MS = 600_000
/** For the component to answer with the job's first state. */
const ASK_SECONDS = 10

interface JobOptions {
  /** Chosen here when not given; the same id again asks for the same job. */
  readonly job?: string | undefined
  /** Until all have ended; default ten minutes. */
  readonly timeoutMs?: number | undefined
  readonly maxAgeSeconds?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Told when it is known who is asked. */
  readonly onStart?: ((job: string, components: readonly string[]) => void) | undefined
  readonly onState?: ((state: JobState) => void) | undefined
}

export interface CollectOrder extends JobOptions {
  /** `all`: every component with the capability that is there. */
  readonly components: readonly string[] | 'all'
  /** Attribute name patterns, `*` anywhere; none: everything. */
  readonly attributes?: readonly string[] | undefined
  /** One message to the capability's topic, instead of a request to each. */
  readonly broadcast?: boolean | undefined
}

export interface EvaluateOrder extends JobOptions {
  /** Policy id. */
  readonly policy: string
  /** Endpoint ids; none: every endpoint that the evaluator may see. */
  readonly endpoints?: readonly string[] | undefined
  readonly profile?: string | undefined
  /** Component id; default: the first evaluator that is there. */
  readonly evaluator?: string | undefined
}

export class Work {
  readonly #session: Session

  constructor(session: Session) {
    this.#session = session
  }

  /** The components as the server keeps them. @throws StanzaError, TimeoutError, OfflineError */
  async components(): Promise<readonly InventoryItem[]> {
    const { client, services, closing: signal } = this.#session
    const read = pages((page) => itemsPage(client, services.pubsub, TOPIC_INVENTORY, page, { signal }), ITEMS_PER_PAGE)
    const items: InventoryItem[] = []
    for await (const page of read) {
      for (const { payload } of page.items) if (payload) items.push(parseInventoryItem(payload))
    }
    return items
  }

  /** Has posture collected; resolves when all asked have ended. @throws StanzaError when nobody can be asked */
  async collect(order: CollectOrder): Promise<JobReport> {
    const asked = order.components === 'all' ? await this.#able(CAPABILITY_COLLECTION) : order.components
    const job = order.job ?? randomUUID()
    const expires = Date.now() + (order.timeoutMs ?? DEFAULT_TIMEOUT_MS)
    const payload = () =>
      renderCollect({
        id: job,
        expires,
        attributes: order.attributes ?? [],
        ...(order.maxAgeSeconds === undefined ? {} : { maxAgeSeconds: order.maxAgeSeconds }),
      })
    order.onStart?.(job, asked)
    if (order.broadcast) {
      const { client, services, id, closing } = this.#session
      // The item id tells the collectors whom to answer; see clients/core/worker.ts.
      const item = { id: `${id}/${job}`, payload: payload() }
      await publish(client, services.pubsub, TOPIC_COLLECTION, item, { signal: order.signal ?? closing })
    }
    return this.#watch(job, asked, (component) => [`/${component}/collect`, payload()], order, order.broadcast)
  }

  /** Has endpoints evaluated; resolves when the evaluator has ended. @throws StanzaError when there is no evaluator */
  async evaluate(order: EvaluateOrder): Promise<JobReport> {
    const [evaluator] = order.evaluator === undefined ? await this.#able(CAPABILITY_EVALUATION) : [order.evaluator]
    if (evaluator === undefined) throw new StanzaError('cancel', 'item-not-found', 'there is no evaluator')
    const job = order.job ?? randomUUID()
    const payload = () =>
      renderEvaluate({
        id: job,
        expires: Date.now() + (order.timeoutMs ?? DEFAULT_TIMEOUT_MS),
        policy: order.policy,
        endpoints: order.endpoints ?? [],
        ...(order.profile === undefined ? {} : { profile: order.profile }),
        ...(order.maxAgeSeconds === undefined ? {} : { maxAgeSeconds: order.maxAgeSeconds }),
      })
    order.onStart?.(job, [evaluator])
    return this.#watch(job, [evaluator], (component) => [`/${component}/evaluate`, payload()], order)
  }

  /**
   * Puts a policy into the repository.
   * @throws PolicyError with the place when the text does not parse; StanzaError conflict when this version is stored
   *         with other content
   */
  async publishPolicy(xml: string): Promise<Policy> {
    const policy = parsePolicyText(xml)
    const { client, services, closing: signal } = this.#session
    const item = { id: `${policy.id}@${policy.version}`, payload: renderPolicy(policy) }
    await publish(client, services.pubsub, TOPIC_POLICY, item, { signal })
    return policy
  }

  /** Ids of the components that have the capability and are there. */
  async #able(urn: string): Promise<readonly string[]> {
    const items = await this.components()
    const able = items.filter((item) => item.state !== 'gone' && hasCapability(item, urn))
    return able.map((item) => item.component)
  }

  #watch(
    job: string,
    components: readonly string[],
    request: (component: string) => readonly [topic: string, payload: Element],
    options: JobOptions,
    isBroadcast = false,
  ): Promise<JobReport> {
    const { topics, closing } = this.#session
    return watchJob({
      job,
      components,
      isBroadcast,
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      signal: options.signal ? AbortSignal.any([options.signal, closing]) : closing,
      listen: (onState) => this.#session.listen(job, onState),
      onState: options.onState,
      async ask(component, signal) {
        const [topic, payload] = request(component)
        const answer = await topics.request(topic, payload, { timeoutSeconds: ASK_SECONDS, signal })
        if (!answer) throw new StanzaError('cancel', 'undefined-condition', `${component} answers with nothing`)
        return parseJobState(answer)
      },
    })
  }
}
