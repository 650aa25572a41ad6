/** What is published to the repository's topics: parsed and checked, then handed to pubsub as calls of one savepoint. */

import { createHash, randomUUID } from 'node:crypto'
import { call, type ModuleContext, type Refusal } from '../../server/module/api.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { type Element, el, isElement } from '../../server/xml/element.ts'
import { serialize } from '../../server/xml/serialize.ts'
import type { ClaimedPublish, PreparedPublish } from '../pubsub/api.ts'
import { NS_POLICY, type Policy, PolicyError, parsePolicy } from '../scap/policy.ts'
import { savePolicy, saveResult } from './content.sqlite.ts'
import { repositoryError } from './errors.ts'
import { type Grants, NODE_POLICY, NODE_POSTURE, NODE_RESULTS } from './grants.ts'
import { NS_POSTURE, NS_RESULT } from './model.ts'
import { NS_SACM_ERRORS } from './payload.ts'
import { saveReport } from './report.sqlite.ts'
import { parseReport } from './report-xml.ts'
import { parseResult } from './result-xml.ts'
import { reachOf } from './rules.ts'
import type { SavedReport } from './store.ts'

/** Row format of reports in our own namespace. */
const FORMAT_POSTURE = 'posture'
/** The kind of policy that the bundled evaluator's `system` capability takes. */
const TYPE_SYSTEM = 'system'

interface Parts {
  readonly ctx: Pick<ModuleContext, 'accounts' | 'log'>
  readonly grants: Grants
}

/** @throws StanzaError as the payload's codec refuses it, or unsupported-format */
export function prepareIntake(parts: Parts, publish: ClaimedPublish): PreparedPublish {
  switch (publish.nodeId) {
    case NODE_POSTURE:
      return preparePosture(parts, publish)
    case NODE_POLICY:
      return preparePolicy(publish)
    case NODE_RESULTS:
      return prepareResult(parts, publish)
    default:
      throw repositoryError('serverOnly', 'only the server publishes here (PROTOCOL.md §2)')
  }
}

function preparePosture({ ctx, grants }: Parts, { itemId, payload, publisher }: ClaimedPublish): PreparedPublish {
  requireFormat(payload, 'report', NS_POSTURE)
  const report = parseReport(payload)
  if (itemId === undefined) {
    throw repositoryError('itemIdRequired', "a report's item needs an id (PROTOCOL.md §3.5)", { path: '/item/@id' })
  }
  const collector = publisher.bare
  const reach = reachOf(ctx.accounts.grants(collector), ['collector'])
  return {
    calls: [
      call(saveReport, {
        itemId,
        hash: hashOf(payload),
        collector,
        reach,
        format: FORMAT_POSTURE,
        report: JSON.stringify(report),
      }),
    ],
    applied([result]) {
      // The one call above is saveReport.
      const saved = result as SavedReport
      if (!reach.mayBind || !saved.isSelf) return
      grants.bind(collector, saved.endpoint)
      tellBinding(ctx, collector, saved.endpoint)
    },
    refused: refusedAs,
  }
}

/** The binding is on disk with the report; the account's grants show it too. Should that fail, the next start does it. */
export function tellBinding(ctx: Parts['ctx'], bareJid: string, endpoint: string): void {
  ctx.accounts.bindSelf(bareJid, endpoint).catch((error: unknown) => {
    ctx.log.warn({ what: 'self_grant_not_shown', account: bareJid, endpoint, error: String(error) })
  })
}

function preparePolicy({ payload, publisher }: ClaimedPublish): PreparedPublish {
  requireFormat(payload, 'policy', NS_POLICY)
  const policy = readPolicyDocument(payload)
  const document = serialize(payload, '')
  return {
    calls: [
      call(savePolicy, {
        id: policy.id,
        version: policy.version,
        title: policy.title,
        type: TYPE_SYSTEM,
        rules: policy.rules.length,
        publisher: publisher.bare,
        hash: sha256(document),
        document,
      }),
    ],
    refused: refusedAs,
  }
}

function readPolicyDocument(payload: Element): Policy {
  try {
    return parsePolicy(payload)
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
    const { path, line, column } = error
    throw new StanzaError('modify', 'bad-request', `${error.message} (PROTOCOL.md §3.8)`, {
      cause: error,
      application: [el('payload-invalid', { xmlns: NS_SACM_ERRORS, path, line, column })],
    })
  }
}

function prepareResult({ ctx }: Parts, { itemId, payload, publisher }: ClaimedPublish): PreparedPublish {
  requireFormat(payload, 'result', NS_RESULT)
  const result = parseResult(payload)
  const evaluator = publisher.bare
  return {
    calls: [
      call(saveResult, {
        // Without an id nothing can be a repeat, so one of our own serves.
        itemId: itemId ?? randomUUID(),
        hash: hashOf(payload),
        evaluator,
        // Only a collector's `self` is bound by what it sends.
        reach: { ...reachOf(ctx.accounts.grants(evaluator), ['evaluator']), mayBind: false },
        result: JSON.stringify(result),
      }),
    ],
    refused: refusedAs,
  }
}

/** Other formats are named in SACM-XMPP §3 and not read yet: they are refused, not stored unread. */
function requireFormat(payload: Element, name: string, ns: string): void {
  if (isElement(payload, name, ns)) return
  throw repositoryError('unsupportedFormat', `only <${name} xmlns='${ns}'/> is taken here (PROTOCOL.md §3)`)
}

function hashOf(payload: Element): string {
  return sha256(serialize(payload, ''))
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function refusedAs({ key, detail }: Refusal): 'acknowledge' | StanzaError {
  switch (key) {
    case 'reportRepeated':
    case 'policyRepeated':
    case 'resultRepeated':
      return 'acknowledge'
    case 'reportIdTaken':
    case 'resultIdTaken':
      return repositoryError('idTaken', 'this item id has been used for something else (PROTOCOL.md §3.5)')
    case 'policyVersionTaken':
      return repositoryError(
        'versionTaken',
        'this version of the policy is stored with other content; raise the version',
      )
    case 'endpointNotGranted':
      return repositoryError('endpointNotGranted', `no grant covers ${detail['endpoint'] ?? 'it'} (PROTOCOL.md §1)`)
    case 'endpointUnknown':
      return repositoryError('endpointUnknown', `there is no endpoint ${detail['endpoint'] ?? ''}`)
    case 'partMismatch':
      return repositoryError('partMismatch', 'the part does not fit the others of its set (PROTOCOL.md §3.5)', {
        path: '/report',
      })
    case 'tooManySets':
      return repositoryError('tooManySets', 'too many reports are waiting for their parts; complete them first', {
        'retry-after': '3600',
      })
    default:
      throw new Error(`no error is known for the refusal ${key}`)
  }
}
