/** Asking the repository: one page, all rows, or content by value. SACM-XMPP §4. */

import { parseAnswer, type RepositoryAnswer, type RepositoryQuery, renderQuery } from '../../modules/repository/xml.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import type { RsmRequest } from '../../server/stanza/rsm.ts'
import type { Element } from '../../server/xml/element.ts'
import type { IqPort } from './disco.ts'
import type { IqOptions } from './iq.ts'
import { pages } from './rsm.ts'

type Queries = { [Q in RepositoryQuery as Q['kind']]: Q }
type Answers = { [A in RepositoryAnswer as A['kind']]: A }
export type PagedKind = Exclude<RepositoryQuery['kind'], 'content'>
export type PagedQuery<K extends PagedKind = PagedKind> = Queries[K]
export type PagedAnswer<K extends PagedKind = PagedKind> = Answers[K]
export type Row<K extends PagedKind> = PagedAnswer<K>['page']['items'][number]

const ROWS_PER_PAGE = 200

/** One page. @throws StanzaError as the repository refused, TimeoutError, OfflineError */
async function queryPage<K extends PagedKind>(
  port: IqPort,
  repository: string,
  query: { readonly kind: K } & PagedQuery<K>,
  options?: IqOptions,
): Promise<PagedAnswer<K>> {
  const answer = await ask(port, repository, query, options)
  if (answer.kind !== query.kind) throw unexpected(`${query.kind} asked, ${answer.kind} answered`)
  // The kinds agree, as was just checked; TypeScript does not carry that over to the type parameter.
  return answer as PagedAnswer<K>
}

/** All rows, page after page. */
export async function* queryRows<K extends PagedKind>(
  port: IqPort,
  repository: string,
  query: { readonly kind: K } & Omit<PagedQuery<K>, 'kind' | 'page'>,
  options?: IqOptions & { readonly rowsPerPage?: number },
): AsyncGenerator<Row<K>> {
  const fetch = async (page: RsmRequest) => {
    // Adding a page to a query without one gives a query of the same kind.
    const answer = await queryPage<K>(
      port,
      repository,
      { ...query, page } as unknown as { readonly kind: K } & PagedQuery<K>,
      options,
    )
    return answer.page
  }
  for await (const page of pages(fetch, options?.rowsPerPage ?? ROWS_PER_PAGE)) yield* page.items
}

/** A policy or other content by value. @throws StanzaError item-not-found */
export async function fetchContent(
  port: IqPort,
  repository: string,
  id: string,
  options?: IqOptions,
): Promise<Element> {
  const answer = await ask(port, repository, { kind: 'content', id }, options)
  if (answer.kind !== 'content') throw unexpected(`content asked, ${answer.kind} answered`)
  return answer.content
}

async function ask(port: IqPort, repository: string, query: RepositoryQuery, options?: IqOptions) {
  const answer = await port.request('get', repository, renderQuery(query), options)
  if (!answer) throw unexpected('an empty answer')
  return parseAnswer(answer)
}

function unexpected(text: string): StanzaError {
  return new StanzaError('cancel', 'undefined-condition', `the repository's answer is not understood: ${text}`)
}
