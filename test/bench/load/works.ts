/** What one load process does for each work: sessions first, then the work itself in the window that it is given. */

import { chat } from './chat.ts'
import { LoadSession, request } from './client.ts'
import { FanOut } from './fan-out.ts'
import { checkItem, itemXml, pageWalk } from './items.ts'
import { keepAsking } from './requests.ts'
import type { Assignment, LoadReport, Task } from './task.ts'
import { now, type Window } from './window.ts'

const NS_PUBSUB = 'http://jabber.org/protocol/pubsub'
/** Logins under way at once while sessions are opened for a work. */
const OPENING = 16

export interface Work {
  /** Does it. @throws Error when anything counted is not as it should be */
  run(window: Window): Promise<Omit<LoadReport, 'load' | 'count' | 'latencies'> | undefined>
  close(): Promise<void>
  /** For fan-out: a fellow's subscribers all have this publish. */
  arrived?(number: number): void
}

/** Opens the sessions of this process's part. */
export async function prepare(assignment: Assignment, tell: (arrived: number) => void): Promise<Work> {
  const { task } = assignment
  switch (task.kind) {
    case 'ping':
      return asking(assignment, task, () => ({
        to: assignment.target.domain,
        type: 'get',
        payload: `<ping xmlns='urn:xmpp:ping'/>`,
        check: checkEmpty,
      }))
    case 'publish':
      return asking(assignment, task, publishing(assignment, task.nodes))
    case 'fill':
      return filling(assignment, task)
    case 'item':
      return asking(assignment, task, () => {
        const id = `i${Math.floor(Math.random() * task.items)}`
        return {
          to: assignment.pubsub,
          type: 'get',
          payload: `<pubsub xmlns='${NS_PUBSUB}'><items node='${task.node}'><item id='${id}'/></items></pubsub>`,
          check: (frame) => checkItem(frame, id),
        }
      })
    case 'pages': {
      const sessions = await openShare(assignment, task.sessions, false)
      const walks = sessions.map(() => pageWalk(assignment.pubsub, task))
      return work(sessions, (window) => keepAsking(sessions, 1, window, (at) => walks[at]?.()))
    }
    case 'chat': {
      const sessions = await openShare(assignment, task.pairs * 2, true, 2)
      return work(sessions, (window) => chat(sessions, task.inFlight, window))
    }
    case 'fan-out': {
      const fanOut = await FanOut.prepare(assignment, task, tell, openShare)
      return fanOut
    }
    case 'logins':
      return { run: (window) => logins(assignment, task, window), close: () => Promise.resolve() }
    case 'idle': {
      const sessions = await openShare(assignment, task.sessions, true)
      return work(sessions, () => Promise.resolve())
    }
    case 'trickle':
      return trickle(assignment, task)
  }
}

async function asking(
  assignment: Assignment,
  { sessions: count, inFlight }: { readonly sessions: number; readonly inFlight: number },
  next: Parameters<typeof keepAsking>[3],
): Promise<Work> {
  const sessions = await openShare(assignment, count, false)
  return work(sessions, (window) => keepAsking(sessions, inFlight, window, next))
}

function work(sessions: readonly LoadSession[], run: (window: Window) => Promise<void>): Work {
  return {
    run: async (window) => {
      await run(window)
      return undefined
    },
    close: async () => {
      await Promise.all(sessions.map((session) => session.close()))
    },
  }
}

/** This process's sessions out of `count`, dealt out in groups that stay together. */
async function openShare(
  { target, index, of, users, password }: Assignment,
  count: number,
  available: boolean,
  group = 1,
): Promise<LoadSession[]> {
  const mine = Array.from({ length: count }, (_, at) => at).filter((at) => Math.floor(at / group) % of === index)
  if (count > users) throw new Error(`${count} sessions need as many accounts, and there are ${users}`)
  const sessions: LoadSession[] = []
  const queue = mine.values()
  const open = async (): Promise<void> => {
    for (const at of queue) sessions.push(await LoadSession.open(target, `u${at}`, password, available))
  }
  await Promise.all(Array.from({ length: OPENING }, open))
  // In the order of accounts: pairs are neighbours.
  return sessions.sort((a, b) => accountNumber(a) - accountNumber(b))
}

function accountNumber(session: LoadSession): number {
  return Number(session.bareJid.slice(1, session.bareJid.indexOf('@')))
}

function checkEmpty(frame: string): void {
  if (frame.length > 400 || frame.includes('<error')) throw new Error(`not an empty result: ${frame}`)
}

function publishing({ pubsub, index, run }: Assignment, nodes: readonly string[]): Parameters<typeof keepAsking>[3] {
  let count = 0
  return () => {
    const id = `${run}-${index}-${++count}`
    const node = nodes[count % nodes.length] ?? ''
    return {
      to: pubsub,
      type: 'set',
      payload: `<pubsub xmlns='${NS_PUBSUB}'><publish node='${node}'>${itemXml(id)}</publish></pubsub>`,
      check: checkEmptyOrNames(id),
    }
  }
}

/** §7.1.2: the result may name the item; another id would be another's. */
function checkEmptyOrNames(id: string): (frame: string) => void {
  return (frame) => {
    if (frame.includes('<item') && !frame.includes(id)) throw new Error(`another item: ${frame.slice(0, 500)}`)
  }
}

/** Items `i0` to `iN-1`, published once each and all acknowledged. */
async function filling(assignment: Assignment, task: Extract<Task, { kind: 'fill' }>): Promise<Work> {
  const sessions = await openShare(assignment, task.sessions, false)
  const { pubsub, index, of } = assignment
  let number = index - of
  return work(sessions, (window) =>
    keepAsking(sessions, task.inFlight, window, () => {
      number += of
      if (number >= task.items) return undefined
      return {
        to: pubsub,
        type: 'set',
        payload: `<pubsub xmlns='${NS_PUBSUB}'><publish node='${task.node}'>${itemXml(`i${number}`)}</publish></pubsub>`,
        check: checkEmptyOrNames(`i${number}`),
      }
    }),
  )
}

/** New TLS session, SCRAM, bind, and away. */
async function logins(
  { target, index, of, users, password }: Assignment,
  { inFlight }: Extract<Task, { kind: 'logins' }>,
  window: Window,
): Promise<undefined> {
  let count = 0
  const one = async (): Promise<void> => {
    for (let mayGoOn = now() < window.to; mayGoOn; ) {
      const user = `u${(index + of * count++) % users}`
      const at = now()
      const session = await LoadSession.open(target, user, password, false)
      mayGoOn = window.record(at, now())
      await session.close()
    }
  }
  await Promise.all(Array.from({ length: inFlight }, one))
}

/** Publishes one at a time, with the times of each, for the trace of system calls beside it. */
async function trickle(assignment: Assignment, task: Extract<Task, { kind: 'trickle' }>): Promise<Work> {
  const { target, password, pubsub, index, run } = assignment
  const session = index === 0 ? await LoadSession.open(target, 'u0', password, false) : undefined
  return {
    run: async () => {
      const spans: (readonly [number, number])[] = []
      for (let n = 0; session && n < task.publishes; n++) {
        const sent = now()
        const payload = `<pubsub xmlns='${NS_PUBSUB}'><publish node='${task.node}'>${itemXml(`${run}-t${n}`)}</publish></pubsub>`
        await request(session, `t${n}`, 'set', pubsub, payload)
        spans.push([sent, now()])
      }
      return { spans }
    },
    close: async () => {
      await session?.close()
    },
  }
}
