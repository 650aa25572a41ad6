/** `GET /metrics` for whoever holds the token that lies in the data folder. Prometheus text format; RFC 6750 §2.1, §3. */

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HttpHandler, HttpResponse } from './routes.ts'

export const METRICS_PATH = '/metrics'

export const metricsTokenFile = (dataDir: string): string => join(dataDir, 'metrics-token')

/** Makes the token's file (mode 0600) where there is none. */
export function ensureMetricsToken(file: string): void {
  if (!existsSync(file)) writeFileSync(file, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' })
}

/** @param tokenFile  read at each request: another token holds as soon as it is there */
export function metricsHandler(
  tokenFile: string,
  exposition: () => Promise<{ readonly contentType: string; readonly text: string }>,
): HttpHandler {
  return async ({ headers }): Promise<HttpResponse> => {
    const given = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
    if (given === undefined || !isToken(given, tokenFile)) {
      return {
        status: 401,
        headers: { 'www-authenticate': 'Bearer realm="metrics"', 'content-type': 'text/plain; charset=utf-8' },
        body: "The token is in the data folder's file metrics-token.\n",
      }
    }
    const { contentType, text } = await exposition()
    return { status: 200, headers: { 'content-type': contentType, 'cache-control': 'no-store' }, body: text }
  }
}

function isToken(given: string, tokenFile: string): boolean {
  // Without the file, or with an empty one, nobody gets in.
  const token = existsSync(tokenFile) ? readFileSync(tokenFile, 'utf8').trim() : ''
  // Of equal length, whatever was given.
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return token !== '' && timingSafeEqual(digest(given), digest(token))
}
