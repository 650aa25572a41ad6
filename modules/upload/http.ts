/** PUT and GET of uploaded files. XEP-0363 §7, §8, §9.1. */

import type { Readable } from 'node:stream'
import type { Clock, HttpRequest, HttpResponse, Logger, Storage } from '../../server/module/api.ts'
import type { FileStore } from './files.ts'
import { digestField, disposition, mediaType, servedType, statedDigest } from './media.ts'
import { findUpload, keepFile } from './store.sqlite.ts'
import type { Upload } from './store.ts'

export interface UploadParts {
  readonly storage: Storage
  readonly files: FileStore
  readonly clock: Clock
  readonly log: Logger
  /** Files received at a time. */
  readonly uploadsMax: number
}

/** Nothing runs, nothing frames it, nothing else is loaded, whatever the file is. §9.1 */
const SAFE_HEADERS = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  // Web clients of other origins show what their users were sent.
  'cross-origin-resource-policy': 'cross-origin',
}
/** A browser may keep a file for a day, though not beyond its end. */
const MAX_CACHE_SECONDS = 86_400
const DRAIN_MAX_BYTES = 16_777_216

/** A file is sent once, in its slot's time, with its slot's name, size and type. §7 */
export function receiver(parts: UploadParts): (request: HttpRequest) => Promise<HttpResponse> {
  const receiving = new Set<string>()
  return async (request) => {
    const slot = await find(parts, request)
    const refusal = whyRefused(slot, request, receiving, parts.uploadsMax)
    if (!slot || refusal) {
      await drain(request.body)
      return refusal ?? NO_SLOT
    }
    receiving.add(slot.id)
    try {
      return await receive(parts, slot, request)
    } finally {
      receiving.delete(slot.id)
    }
  }
}

/** Most clients read no answer before they have sent all: a refused file is read too, up to a bound. */
async function drain(body: Readable): Promise<void> {
  let bytes = 0
  try {
    for await (const chunk of body) {
      // A body is bytes: no encoding was set on it.
      bytes += (chunk as Buffer).length
      if (bytes > DRAIN_MAX_BYTES) return
    }
  } catch {
    // Cut off or too large: it is refused as it is.
  }
}

async function receive(
  { files, storage, log }: UploadParts,
  slot: Upload,
  request: HttpRequest,
): Promise<HttpResponse> {
  let sha256: string | undefined
  try {
    sha256 = await files.receive(slot.id, request.body, slot.size)
  } catch (error) {
    if (!isWithoutRoom(error)) throw error
    log.error({ what: 'upload_disk_full', upload: slot.id, error: error.message })
    await drain(request.body)
    return refused(507, 'There is no room for the file.')
  }
  if (sha256 === undefined) return refused(400, 'The file has not the size of its slot.')
  const stated = statedDigest(request.headers['repr-digest']) ?? statedDigest(request.headers['content-digest'])
  const contentType = mediaType(request.headers['content-type'] ?? '')
  const isWanted = stated === undefined || stated === sha256
  // Whoever removed the slot in the meantime did not find the file yet.
  if (!isWanted || !(await storage.run(keepFile, { id: slot.id, contentType, sha256 }))) {
    await files.remove([slot.id])
    return isWanted ? NO_SLOT : refused(400, 'The file has not the stated hash.')
  }
  return { status: 201, headers: { 'repr-digest': digestField(sha256) } }
}

/** The disk, a quota on it, or the process has reached its bound. */
function isWithoutRoom(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(String(error.code))
}

/** §7: the length MUST be the slot's, the type SHOULD. */
function whyRefused(
  slot: Upload | undefined,
  { headers }: HttpRequest,
  receiving: ReadonlySet<string>,
  max: number,
): HttpResponse | undefined {
  if (!slot) return NO_SLOT
  if (slot.sha256 !== undefined) return refused(409, 'The file has been sent already.')
  const length = headers['content-length']
  if (length === undefined) return refused(411, 'The length must be stated.')
  if (Number(length) !== slot.size) return refused(400, 'The length is not that of the slot.')
  const type = headers['content-type']
  if (slot.contentType !== undefined && type !== undefined && mediaType(type) !== slot.contentType)
    return refused(415, 'The type is not that of the slot.')
  if (receiving.has(slot.id)) return refused(409, 'The file is being sent already.')
  if (receiving.size >= max) return refused(503, 'Too many files are being received.')
  return undefined
}

/** Anyone who knows the address gets the file. §2 */
export function sender(parts: UploadParts): (request: HttpRequest) => Promise<HttpResponse> {
  return async (request) => {
    const file = await find(parts, request)
    if (file?.sha256 === undefined)
      return { status: 404, headers: { ...SAFE_HEADERS, ...PLAIN }, body: 'Nothing here.\n' }
    const etag = `"${file.sha256}"`
    const leftSeconds = Math.floor((file.expiresAt - parts.clock.now()) / 1000)
    const headers = {
      ...SAFE_HEADERS,
      etag,
      'cache-control': `private, max-age=${Math.min(leftSeconds, MAX_CACHE_SECONDS)}, immutable`,
    }
    if (request.headers['if-none-match']?.includes(etag)) return { status: 304, headers }
    return {
      status: 200,
      headers: {
        ...headers,
        'content-type': servedType(file.contentType),
        'content-disposition': disposition(file.name),
        'content-length': String(file.size),
        'repr-digest': digestField(file.sha256),
      },
      body: await parts.files.read(file.id),
    }
  }
}

const PLAIN = { 'content-type': 'text/plain; charset=utf-8' }

/** What the address names, while its time lasts. */
async function find({ storage, clock }: UploadParts, { params }: HttpRequest): Promise<Upload | undefined> {
  const found = await storage.run(findUpload, params['id'] ?? '')
  return found && found.name === params['name'] && found.expiresAt > clock.now() ? found : undefined
}

/** The answer ends the connection, on which the rest of a body may still be coming. */
function refused(status: number, text: string): HttpResponse {
  return { status, headers: { ...PLAIN, connection: 'close' }, body: `${text}\n` }
}

const NO_SLOT = refused(404, 'There is no such slot.')
