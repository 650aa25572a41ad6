/** Pairs of clients that write to each other; a message counts when the other has it, whole and in order. */

import type { LoadSession } from './client.ts'
import { attributeOf } from './frames.ts'
import { now, type Window } from './window.ts'

const BODY = 'a message of ordinary length, as people write them to each other all day long, and then some more'
/** @param sessions  pairs, one after the other */
export function chat(sessions: readonly LoadSession[], inFlight: number, window: Window): Promise<void> {
  return new Promise((resolve, reject) => {
    let open = 0
    let isOver = false
    const timer = setTimeout(() => fail(new Error(`${open} messages never came`)), window.deadlineMs())
    const fail = (error: Error): void => {
      isOver = true
      clearTimeout(timer)
      reject(error)
    }
    const connect = (from: LoadSession, to: LoadSession): void => {
      const sentAt: number[] = []
      let sent = 0
      let received = 0
      const send = (): void => {
        if (isOver) return
        open++
        sentAt[++sent % (inFlight + 1)] = now()
        from.send(`<message to='${to.fullJid}' type='chat' id='m${sent}'><body>${BODY}</body></message>`)
      }
      to.onFrame = (frame) => {
        if (!frame.startsWith('<message')) return
        const id = attributeOf(frame, 'id')
        if (id !== `m${++received}` || attributeOf(frame, 'from') !== from.fullJid || !frame.includes(BODY)) {
          fail(new Error(`not message ${received} of ${from.fullJid}: ${frame}`))
          return
        }
        open--
        if (!window.record(sentAt[received % (inFlight + 1)] ?? 0, now())) isOver = true
        send()
        if (open > 0) return
        clearTimeout(timer)
        resolve()
      }
      for (let n = 0; n < inFlight; n++) send()
    }
    for (let at = 0; at + 1 < sessions.length; at += 2) {
      const [one, other] = [sessions[at], sessions[at + 1]]
      if (!one || !other) continue
      connect(one, other)
      connect(other, one)
    }
    if (open === 0) {
      clearTimeout(timer)
      resolve()
    }
  })
}
