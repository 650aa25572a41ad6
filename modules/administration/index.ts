/** Administration from any client: commands for accounts with the role `admin`. XEP-0133. */

import { ADMINISTRATION, type Module } from '../../server/module/api.ts'
import { ROSTERS } from '../roster/index.ts'
import { accountCommands } from './accounts.ts'
import { listCommands } from './lists.ts'
import { Logins } from './logins.ts'
import { serviceCommands } from './service.ts'
import { Standing } from './standing.ts'
import { administrationStore } from './store.sqlite.ts'

export const administration: Module = {
  name: 'administration',
  specs: [
    {
      doc: 'XEP-0133',
      version: '1.3.1',
      status: 'partial',
      omits: "lists of domains (§4.11, §4.12: no server-to-server side); a user's e-mail and names are not kept",
    },
  ],
  requires: ['commands', 'roster'],
  accountData: { forget: administrationStore.forgetAccount },
  setup(ctx) {
    const endpoint = ctx.endpoint('server')
    const logins = new Logins({ ctx, store: administrationStore })
    const standing = new Standing({ ctx, store: administrationStore, logins })
    const parts = { ...ctx, administration: ctx.use(ADMINISTRATION), rosters: ctx.use(ROSTERS), logins }
    ctx.starting(() => standing.load())
    ctx.on('observe', 'session.bound', ({ session }) => standing.bound(session))
    ctx.on('observe', 'presence.updated', async ({ session, presence, isInitial }) => {
      if (presence && isInitial && session.priority >= 0) await standing.available(session)
    })
    ctx.on('observe', 'account.removed', ({ bareJid }) => logins.forget(bareJid))
    for (const command of [
      ...accountCommands(parts),
      ...listCommands(parts),
      ...serviceCommands(parts),
      ...standing.commands(),
    ]) {
      // XEP-0133 §6: service-level privileges, at each step anew.
      endpoint.command({ ...command, mayRun: (asker) => ctx.accounts.roles(asker.bare).has('admin') })
    }
  },
}
