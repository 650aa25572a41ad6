/** The items that are published, and what must be seen of them when they come back. */

import type { Ask } from './requests.ts'
import type { Task } from './task.ts'

const PAYLOAD_BYTES = 1024
const PAGE = 50
const FILLER = 'the quick brown fox jumps over the lazy dog '.repeat(25)

export const PAYLOAD_NS = 'http://www.w3.org/2005/Atom'
const START = `<entry xmlns="${PAYLOAD_NS}"><title>`
const MIDDLE = '</title><summary>'
const END = '</summary></entry>'

/** An item whose payload is 1 KiB and names the item. */
export function itemXml(id: string): string {
  return `<item id='${id}'>${payloadXml(id)}</item>`
}

export function payloadXml(id: string): string {
  return `${START}${id}${MIDDLE}${fillerFor(id)}${END}`
}

function fillerFor(id: string): string {
  return FILLER.slice(0, PAYLOAD_BYTES - START.length - MIDDLE.length - END.length - id.length)
}

/** @throws Error when the frame does not hold this item with its payload whole */
export function checkItem(frame: string, id: string, from = 0): void {
  if (!frame.includes(`>${id}${MIDDLE}${fillerFor(id)}${END}`, from)) {
    throw new Error(`item ${id} is not whole: ${frame.slice(0, 1500)}`)
  }
}

/** The page requests of one client that walks through a node again and again, and checks that it sees every item once. */
export function pageWalk(pubsub: string, { node, items }: Extract<Task, { kind: 'pages' }>): () => Ask {
  const seen = new Set<string>()
  let after: string | undefined
  return () => {
    const cursor = after === undefined ? '' : `<after>${after}</after>`
    return {
      to: pubsub,
      type: 'get',
      payload: `<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='${node}'/><set xmlns='http://jabber.org/protocol/rsm'><max>${PAGE}</max>${cursor}</set></pubsub>`,
      check: (frame) => {
        const ids = [...frame.matchAll(/<item [^>]*?\bid=["']([^"']+)["']/g)].map((match) => match[1] ?? '')
        if (ids.length !== Math.min(PAGE, items - seen.size))
          throw new Error(`a page of ${ids.length}: ${frame.slice(-700)}`)
        for (const id of ids) {
          if (seen.has(id)) throw new Error(`item ${id} came twice in one walk`)
          seen.add(id)
        }
        // The payloads of a page are looked at by the first and the last: all of them would be the load's own work.
        for (const id of [ids[0], ids.at(-1)]) if (id !== undefined) checkItem(frame, id)
        after = /<last>([^<]+)<\/last>/.exec(frame)?.[1]
        if (seen.size < items) return
        seen.clear()
        after = undefined
      },
    }
  }
}
