/** Keeps a number of requests in flight on each session and matches every answer with its request by id. */

import type { LoadSession } from './client.ts'
import { attributeOf } from './frames.ts'
import { now, type Window } from './window.ts'

export interface Ask {
  readonly to: string
  readonly type: 'get' | 'set'
  readonly payload: string
  /** Looks into the result. @throws Error when it is not what was asked for */
  check(frame: string): void
}

/**
 * Asks until the window is over (or `next` gives nothing) and every answer has come.
 * @param next  the session's next request
 * @throws Error on an answer nobody asked for, an error answer, a failed check, a lost connection, a missing answer
 */
export function keepAsking(
  sessions: readonly LoadSession[],
  inFlight: number,
  window: Window,
  next: (session: number) => Ask | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let open = 0
    let isOver = false
    const timer = setTimeout(() => fail(new Error(`${open} answers never came`)), window.deadlineMs())
    const fail = (error: Error): void => {
      isOver = true
      clearTimeout(timer)
      reject(error)
    }
    const settle = (): void => {
      if (open > 0) return
      clearTimeout(timer)
      resolve()
    }
    for (const [index, session] of sessions.entries()) {
      const pending = new Map<string, { readonly ask: Ask; readonly at: number }>()
      let count = 0
      const send = (): void => {
        const ask = isOver ? undefined : next(index)
        if (!ask) return
        const id = `r${++count}`
        open++
        pending.set(id, { ask, at: now() })
        session.send(`<iq type='${ask.type}' id='${id}' to='${ask.to}'>${ask.payload}</iq>`)
      }
      session.onClosed(() => {
        if (pending.size > 0) fail(new Error('the server closed a connection'))
      })
      session.onFrame = (frame) => {
        if (!frame.startsWith('<iq')) return
        try {
          const id = attributeOf(frame, 'id') ?? ''
          const request = pending.get(id)
          if (!request) throw new Error(`an answer to no request: ${frame.slice(0, 500)}`)
          pending.delete(id)
          open--
          if (attributeOf(frame, 'type') !== 'result') throw new Error(`refused: ${frame.slice(-700)}`)
          request.ask.check(frame)
          if (!window.record(request.at, now())) isOver = true
          send()
          settle()
        } catch (error) {
          fail(error instanceof Error ? error : new Error(String(error)))
        }
      }
      for (let n = 0; n < inFlight; n++) send()
    }
    settle()
  })
}
