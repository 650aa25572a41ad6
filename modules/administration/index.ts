/** Administration from any client: commands for accounts with the role `admin`. XEP-0133. */

import { ADMINISTRATION, type Module } from '../../server/module/api.ts'
import { accountCommands } from './accounts.ts'
import { listCommands } from './lists.ts'
import { serviceCommands } from './service.ts'

export const administration: Module = {
  name: 'administration',
  specs: [
    {
      doc: 'XEP-0133',
      version: '1.3.1',
      status: 'partial',
      omits:
        "rosters and last logins of others (§4.8, §4.9), lists of domains (§4.11, §4.12: no server-to-server side), messages of the day and of welcome (§4.24 to §4.28), the list of administrators (§4.29: roles are a command of our own); a user's e-mail and names are not kept",
    },
  ],
  requires: ['commands'],
  setup(ctx) {
    const endpoint = ctx.endpoint('server')
    const parts = { ...ctx, administration: ctx.use(ADMINISTRATION) }
    for (const command of [...accountCommands(parts), ...listCommands(parts), ...serviceCommands(parts)]) {
      // XEP-0133 §6: service-level privileges, at each step anew.
      endpoint.command({ ...command, mayRun: (asker) => ctx.accounts.roles(asker.bare).has('admin') })
    }
  },
}
