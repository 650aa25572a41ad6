/** Makes a probe of a function that reads, with its attributes ordered and their names unique. */

import type { PostureAttribute, Probe, ProbeContext } from '../../probe.ts'
import { ordered } from './attributes.ts'

type Read = (context: ProbeContext) => readonly PostureAttribute[] | Promise<readonly PostureAttribute[]>

export function defineProbe(name: string, covers: readonly string[], read: Read): Probe {
  return {
    name,
    covers,
    async collect(context) {
      context.signal.throwIfAborted()
      return ordered(await read(context))
    },
  }
}
