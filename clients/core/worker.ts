/**
 * A component that does jobs: orders come directed or by broadcast, run one after the other, and tell their states to
 * who asked. SACM-XMPP §2, Jobs.
 */

import { isComponentId, type JobState, renderJobState, type TopicRequest } from '../../modules/sacm/xml.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { parseJid } from '../../server/stanza/jid.ts'
import type { Element } from '../../server/xml/element.ts'
import { wait } from './backoff.ts'
import { Component, type ComponentKind, type ComponentOptions, isConnectionTrouble } from './component.ts'
import { type JobControl, type JobOrder, type JobResult, Jobs } from './jobs.ts'
import { type PubsubEvent, publish } from './pubsub.ts'
import { fileState, noState, stateSaver } from './state.ts'
import { sacmCondition } from './topics.ts'

export interface WorkerOptions extends ComponentOptions {
  /** Keeps the component id and the jobs done; without it the server gives the account its id again. */
  readonly stateFile?: string | undefined
}

/** A job ready to run. */
export interface WorkOrder extends Omit<JobOrder, 'requester'> {
  run(control: JobControl, component: Component): Promise<JobResult>
}

export interface WorkerKind extends Pick<ComponentKind, 'type' | 'name' | 'description' | 'capabilities' | 'work'> {
  /**
   * Reads an order of this requester: a component id, or the bare JID of an account without one.
   * @throws StanzaError when it is not acceptable
   */
  order(payload: Element, requester: string): WorkOrder
}

export interface Worker {
  readonly component: Component
  /** Resolves when the first onboarding is complete. */
  readonly ready: Promise<void>
  /** Settles when the component has ended: resolves after `close`, rejects when it gave up. */
  readonly closed: Promise<void>
  close(): Promise<void>
}

const LAST_WORDS_MS = 1_000

/**
 * Connects; resolves when the login has succeeded.
 * @throws SaslError, a certificate or network error; Error when the state file holds something else
 */
export async function startWorker(options: WorkerOptions, kind: WorkerKind): Promise<Worker> {
  const { bare } = parseJid(options.jid)
  const store = options.stateFile === undefined ? noState : fileState(options.stateFile)
  const loaded = await store.load()
  // Another account's id would be refused, and its jobs are not ours.
  const state = loaded?.bareJid === bare ? loaded : undefined
  const telling = new Set<string>()
  const tells = new Set<Promise<void>>()
  const save = stateSaver(
    store,
    () => {
      const id = component.knownId
      return id === undefined ? undefined : { bareJid: bare, component: id, jobs: [...jobs.remembered()] }
    },
    (error) => component.event({ kind: 'fault', error }),
  )

  const jobs: Jobs = new Jobs({
    component: () => component.id,
    onState: (requester, jobState) => {
      component.event({ kind: 'job', requester, state: jobState })
      if (jobState.state === 'completed') void save()
      const told = tell(requester, jobState).finally(() => tells.delete(told))
      tells.add(told)
    },
    remembered: state?.jobs ?? [],
  })
  const component: Component = new Component(options, {
    ...kind,
    knownId: state?.component,
    saveId: () => save(),
    onDirected: directed,
    onBroadcast: broadcast,
  })

  function directed(request: TopicRequest): Element {
    const requester = request.component ?? request.sender
    if (requester === undefined) throw new StanzaError('modify', 'bad-request', 'the request names no sender')
    return renderJobState(take(requester, request.payload))
  }

  /** A broadcast has no answer, so its first state goes the same way as the later ones. */
  function broadcast(event: PubsubEvent): void {
    for (const { id, payload } of event.items) {
      const requester = requesterOf(id)
      if (!payload || requester === undefined) continue
      try {
        void tell(requester, take(requester, payload))
      } catch (error) {
        component.event({ kind: 'fault', error: error instanceof Error ? error : new Error(String(error)) })
      }
    }
  }

  function take(requester: string, payload: Element): JobState {
    const order = kind.order(payload, requester)
    let saved: Promise<void> | undefined
    const accepted = jobs.start({ ...order, requester }, async (control) => {
      // Killed from here on, the next run knows of the job and says that it failed: work begins when that is on disk.
      await saved
      return order.run(control, component)
    })
    saved = save()
    return accepted
  }

  /**
   * Progress is only worth hearing fresh: one at a time, and never again. The end is told until the server has it, which
   * keeps it for a requester that is not there and asks later.
   */
  async function tell(requester: string, jobState: JobState): Promise<void> {
    // An account without a component has no response topic.
    if (requester.includes('@')) return
    const isLast = jobState.state === 'completed'
    if (jobState.state === 'progress' && telling.has(requester)) return
    telling.add(requester)
    const send = () => component.tell(`/${requester}/response`, renderJobState(jobState))
    try {
      if (isLast) await component.persist(send, component.closing, isConnectionTrouble)
      else await send()
    } catch (cause) {
      if (component.closing.aborted || !isLast || sacmCondition(cause) === 'handler-offline') return
      component.event({
        kind: 'fault',
        error: new Error(`${requester} was not told of job ${jobState.job}`, { cause }),
      })
    } finally {
      telling.delete(requester)
    }
  }

  await component.start()
  // What was under way when the last run stopped has ended, and nobody has heard of it yet.
  void component.ready.then(
    () => Promise.all(jobs.interrupted.map(({ requester, state: ended }) => tell(requester, ended))),
    () => undefined,
  )
  return {
    component,
    ready: component.ready,
    closed: component.client.closed,
    async close() {
      await jobs.close()
      // The last states are on their way; a server that does not answer is not waited for.
      await Promise.race([Promise.allSettled(tells), wait(LAST_WORDS_MS, component.closing).catch(() => undefined)])
      await component.close()
      await save()
    },
  }
}

/** The item id of a broadcast order is `{requester}/{job}`, since a broadcast carries no stamp of its own. */
function requesterOf(itemId: string): string | undefined {
  const slash = itemId.indexOf('/')
  const requester = itemId.slice(0, Math.max(0, slash))
  return isComponentId(requester) ? requester : undefined
}

/**
 * Sends what a job found: published to the standard topic, or given to the requester, who must be there to take it.
 * @throws StanzaError as it was refused, the last error after too many tries, or the signal's reason
 */
export async function sendFindings(
  component: Component,
  findings: {
    readonly to: string
    readonly isPublished: boolean
    /** The same for the same work, so that sending again changes nothing. */
    readonly id: string
    readonly render: () => Element
  },
  signal: AbortSignal,
): Promise<void> {
  const { to, id, render } = findings
  if (findings.isPublished) {
    const { client } = component
    const send = () => publish(client, component.services.pubsub, to, { id, payload: render() }, { signal })
    await component.persist(send, signal)
  } else {
    await component.persist(() => component.tell(to, render(), signal), signal, isConnectionTrouble)
  }
}

/**
 * SACM-XMPP §2: reports and results go to their standard topic, or back to who asked.
 * @throws StanzaError forbidden
 */
export function checkResponseTopic(topic: string | undefined, standard: string, requester: string): void {
  if (topic === undefined || topic === standard || topic === `/${requester}/response`) return
  throw new StanzaError('auth', 'forbidden', `nothing is sent to ${topic}`)
}
