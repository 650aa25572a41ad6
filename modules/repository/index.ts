/** The policy, posture and results repositories at `repository.<domain>`. SACM-XMPP §1 to §4. */

import { defineModule, integer, type Options, option, type ValuesOf } from '../../server/module/api.ts'
import type { Jid } from '../../server/stanza/jid.ts'
import { NS_RSM } from '../../server/xml/namespaces.ts'
import { PUBSUB } from '../pubsub/api.ts'
import { NS_POLICY } from '../scap/policy.ts'
import { renderAnswer } from './answer-xml.ts'
import { REPOSITORY } from './api.ts'
import { findEndpoint, loadReplica, unbind } from './endpoint.sqlite.ts'
import { repositoryError } from './errors.ts'
import { Grants, REPOSITORY_NODES } from './grants.ts'
import { prepareIntake, tellBinding } from './intake.ts'
import { NS_POSTURE, NS_REPOSITORY, NS_RESULT } from './model.ts'
import { parseQuery, QUERY_KINDS } from './query-xml.ts'
import { dropOldParts } from './report.sqlite.ts'
import { answerQuery } from './service.ts'

/** The feature by which the proof of concept knows a repository. SACM-XMPP §1. */
const NS_CIS_REPOSITORY = 'http://cisecurity.org/sacm/repository'
const DROP_PARTS_MS = 600_000

const config = {
  defaultPageRows: option(integer(100, 1, 1000), 'rows on a page that names no max'),
  maxPageRows: option(integer(500, 1, 1000), 'rows on a page at most'),
} satisfies Options

export const repository = defineModule<ValuesOf<typeof config>>({
  name: 'repository',
  specs: [
    {
      doc: 'SACM-XMPP',
      version: '0',
      status: 'partial',
      omits:
        'repository: history, changes, software, summary and watch (§3, §4), re-collection by max-age, formats of tools, references',
    },
  ],
  requires: ['pubsub'],
  config,
  accountData: { forget: unbind },
  setup(ctx) {
    const pubsub = ctx.use(PUBSUB)
    const grants = new Grants(ctx.accounts)
    const endpoint = ctx.endpoint('service:repository')
    endpoint.identity('store', 'generic', 'SACM repository')
    endpoint.feature(NS_REPOSITORY, NS_CIS_REPOSITORY, NS_POSTURE, NS_RESULT, NS_POLICY, NS_RSM)

    for (const kind of QUERY_KINDS) {
      endpoint.onIq('get', `{${NS_REPOSITORY}}${kind}`, async ({ from, payload }) => {
        const { defaultPageRows, maxPageRows } = ctx.config()
        const pageRows = { default: defaultPageRows, max: maxPageRows }
        return renderAnswer(await answerQuery({ ctx, grants, pageRows }, from.bare, parseQuery(payload)))
      })
    }

    pubsub.claim({
      owns: (nodeId) => REPOSITORY_NODES.has(nodeId),
      authorizeSubscribe(actor: Jid, nodeId) {
        const roles = REPOSITORY_NODES.get(nodeId)?.subscribe ?? []
        if (roles.length > 0) grants.requireRole(actor.bare, roles)
      },
      authorizePublish(actor: Jid, nodeId) {
        const roles = REPOSITORY_NODES.get(nodeId)?.publish ?? []
        if (roles.length === 0) throw repositoryError('serverOnly', 'only the server publishes here (PROTOCOL.md §2)')
        grants.requireRole(actor.bare, roles)
      },
      visibleScopes(bareJid, nodeId) {
        const roles = REPOSITORY_NODES.get(nodeId)?.subscribe ?? []
        // Policies are for every account, and are about no endpoint.
        const visible = roles.length === 0 ? 'any' : grants.visible(bareJid, roles)
        return visible === 'any' ? 'all' : new Set(visible)
      },
      preparePublish: (publish) => prepareIntake({ ctx, grants }, publish),
    })

    ctx.provide(REPOSITORY, {
      mayRead: (bareJid, endpointId) => grants.mayRead(bareJid, endpointId),
      endpointOf: (identifiers) => ctx.storage.run(findEndpoint, { identifiers }),
    })

    ctx.starting(async () => {
      grants.load(await ctx.storage.run(loadReplica, undefined))
      for (const [bareJid, bound] of grants.bindings()) {
        const isUntold = ctx.accounts.grants(bareJid).some((each) => each.scope === 'self' && !each.endpointId)
        if (isUntold) tellBinding(ctx, bareJid, bound)
      }
      for (const [nodeId, { type, persistItems }] of REPOSITORY_NODES) {
        await pubsub.ensureNode(nodeId, { ...(type ? { type } : {}), persistItems, maxItems: 'max' })
      }
    })

    const forget = async (bareJid: string): Promise<void> => {
      if (grants.unbind(bareJid)) await ctx.storage.run(unbind, { bareJid })
    }
    ctx.on('observe', 'account.removed', ({ bareJid }) => {
      grants.unbind(bareJid)
    })
    // Taking the `self` grant away is how an administrator lets an account be bound anew.
    ctx.on('observe', 'account.changed', async ({ bareJid }) => {
      if (!ctx.accounts.grants(bareJid).some(({ scope }) => scope === 'self')) await forget(bareJid)
    })
    ctx.every(DROP_PARTS_MS, async () => {
      await ctx.storage.run(dropOldParts, undefined)
    })
  },
})
