/** A load process: takes one work at a time from the conductor, does it, and reports what it counted. */

import { FanOut } from './fan-out.ts'
import type { FromLoad, ToLoad } from './task.ts'
import { now, Window } from './window.ts'
import { prepare, type Work } from './works.ts'

let work: Work | undefined

process.on('message', (message: ToLoad) => {
  handle(message).catch((error: unknown) => {
    post({ kind: 'failed', error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  })
})
process.on('disconnect', () => process.exit())

async function handle(message: ToLoad): Promise<void> {
  switch (message.kind) {
    case 'prepare':
      work = await prepare(message.assignment, (number) => post({ kind: 'arrived', number }))
      post({ kind: 'ready' })
      return
    case 'go':
      await run(new Window(message.from, message.to ?? Number.POSITIVE_INFINITY))
      return
    case 'arrived':
      work?.arrived?.(message.number)
      return
    case 'finish':
      if (work instanceof FanOut) work.finish()
  }
}

async function run(window: Window): Promise<void> {
  if (!work) throw new Error('nothing has been prepared')
  const isTimed = Number.isFinite(window.to)
  const usage = isTimed ? usageIn(window) : 0
  const more = await work.run(window)
  const load = await usage
  await work.close()
  work = undefined
  post({ kind: 'done', report: { ...window.report(), load, ...more } })
}

/** The part of one core that this process used from the window's begin to its end. */
async function usageIn(window: Window): Promise<number> {
  await until(window.from)
  const [before, from] = [process.cpuUsage(), now()]
  await until(window.to)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / (now() - from)
}

function until(time: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, time - now())))
}

function post(message: FromLoad): void {
  process.send?.(message)
}
