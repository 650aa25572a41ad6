/** What other modules see of the repository: who may read which endpoint. */

import { type Token, token } from '../../server/module/api.ts'
import type { EndpointIdentifier } from './model.ts'

export interface Repository {
  /** May the account read what is known of this endpoint? */
  mayRead(bareJid: string, endpointId: string): boolean
  /** The endpoint that strong identifiers name; undefined when none or several do. */
  endpointOf(identifiers: readonly EndpointIdentifier[]): Promise<string | undefined>
}

export const REPOSITORY: Token<Repository> = token('repository')
