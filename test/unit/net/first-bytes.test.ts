import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { afterFirstBytes } from '../../../server/net/first-bytes.ts'

let server: Server
beforeAll(async () => {
  server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => server.close())

async function pair(): Promise<{ readonly near: Socket; readonly far: Socket }> {
  const accepted = once(server, 'connection')
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const far = connect({ host: '127.0.0.1', port })
  const [near] = (await accepted) as [Socket] // what `connection` brings
  return { near, far }
}

test('what a client says first is left for the next reader, in pieces that do not fill its buffer', async () => {
  const { near, far } = await pair()
  const said = Buffer.from(Array.from({ length: 2_500 }, (_, at) => at % 251))
  const spoken = new Promise<void>((resolve) => afterFirstBytes(near, resolve))
  far.write(said)
  await spoken
  await expect.poll(() => near.readableLength, { interval: 5 }).toBe(said.length)
  const pieces: Buffer[] = []
  for (let piece = near.read() as Buffer | null; piece; piece = near.read() as Buffer | null) pieces.push(piece)
  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(1_024)
  expect(Buffer.concat(pieces)).toEqual(said)
  far.destroy()
  near.destroy()
})

test('a client that closes its side instead is let go of', async () => {
  const { near, far } = await pair()
  let spoken = false
  afterFirstBytes(near, () => {
    spoken = true
  })
  const gone = once(near, 'close')
  far.end()
  await gone
  expect(spoken).toBe(false)
})
