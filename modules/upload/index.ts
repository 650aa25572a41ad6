/** Slots for files on the server's own HTTPS port, at `upload.<domain>`. XEP-0363. */

import { randomBytes } from 'node:crypto'
import { defineModule, Refusal } from '../../server/module/api.ts'
import type { Element } from '../../server/xml/element.ts'
import { type UploadConfig, uploadConfig } from './config.ts'
import { FileStore } from './files.ts'
import { receiver, sender } from './http.ts'
import { percentEncoded } from './media.ts'
import { forgetAccount, keptFiles, reserveSlot, sweep } from './store.sqlite.ts'
import { fileTooLarge, NS_PURPOSE, NS_UPLOAD, noRoom, notForYou, parseRequest, refuse, renderSlot } from './xml.ts'

/** Nobody guesses one. §9.3 */
const ID_BYTES = 24
/** A slot that ends while its file comes in is not taken away: as long as a request may last. */
const SLOT_GRACE_MS = 300_000
/** Removed at a time, so that no write holds the others up. */
const SWEEP_MAX = 500

export const upload = defineModule<UploadConfig>({
  name: 'upload',
  specs: [
    {
      doc: 'XEP-0363',
      version: '1.2.0',
      status: 'partial',
      omits: 'the purposes profile and permanent (§5.2, §5.4): all files are kept for the same time at most',
    },
  ],
  config: uploadConfig,
  accountData: { forget: forgetAccount },
  setup(ctx) {
    const { storage, clock, log } = ctx
    const config = ctx.config()
    const files = new FileStore(ctx.folder)
    const parts = { storage, files, clock, log, uploadsMax: config.uploadsMax }
    const open = { auth: 'anyone', cors: true } as const
    ctx.http.route('PUT', '/upload/:id/:name', { ...open, maxBytes: config.fileMaxBytes }, receiver(parts))
    ctx.http.route('GET', '/upload/:id/:name', { ...open, maxBytes: 0 }, sender(parts))

    ctx.starting(async () => {
      files.open(await storage.run(keptFiles, undefined))
    })
    ctx.every(config.sweepSeconds * 1000, async (signal) => {
      let ids: readonly string[]
      do {
        const before = clock.now()
        ids = await storage.run(sweep, { before, slotsBefore: before - SLOT_GRACE_MS, max: SWEEP_MAX })
        await files.remove(ids)
      } while (ids.length === SWEEP_MAX && !signal.aborted)
    })
    ctx.on('observe', 'account.removed', ({ forgotten }) => files.remove(forgotten(forgetAccount)))

    const endpoint = ctx.endpoint('service:upload')
    endpoint.identity('store', 'file', 'HTTP File Upload')
    endpoint.feature(NS_UPLOAD, `${NS_PURPOSE}#message`, `${NS_PURPOSE}#ephemeral`)
    endpoint.form({
      type: 'result',
      formType: NS_UPLOAD,
      fields: [{ name: 'max-file-size', values: [String(config.fileMaxBytes)] }],
    })
    endpoint.onIq('get', `{${NS_UPLOAD}}request`, async ({ session, from, payload }) => {
      if (!session) throw notForYou(payload)
      const { name, size, contentType, expireBefore } = parseRequest(payload)
      if (size > config.fileMaxBytes) throw fileTooLarge(payload, config.fileMaxBytes)
      const id = randomBytes(ID_BYTES).toString('base64url')
      const keptUntil = Math.min(clock.now() + config.expireSeconds * 1000, expireBefore ?? Number.POSITIVE_INFINITY)
      if (keptUntil <= clock.now()) throw refuse(payload, 'expire-before has passed')
      const slotUntil = Math.min(clock.now() + config.slotSeconds * 1000, keptUntil)
      const slot = { id, bareJid: from.bare, name, size, contentType, slotUntil, keptUntil, limits: config }
      await storage.run(reserveSlot, slot).catch((error: unknown) => {
        throw error instanceof Refusal ? fullError(payload, error) : error
      })
      const url = ctx.http.url(`/upload/${id}/${percentEncoded(name)}`)
      return renderSlot(url, url)
    })
  },
})

/** XEP-0363 §6. */
function fullError(request: Element, { key, detail }: Refusal): Error {
  const text =
    key === 'accountFull' ? 'Your files take all the room they may.' : 'The server has no room for more files.'
  return noRoom(request, text, detail['retryAt'] === undefined ? undefined : Number(detail['retryAt']))
}
