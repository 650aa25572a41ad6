/** The options of rosters: `roster.shared=components` in sacm.toml and its like. */

import { integer, type Options, oneOf, option, type ValuesOf } from '../../server/module/api.ts'

export const rosterConfig = {
  shared: option(
    oneOf(['off', 'components'], 'off'),
    'components: all accounts with a SACM role see each other without subscriptions, read-only',
  ),
  itemsMax: option(integer(1_000, 1, 100_000), 'items in one roster; more: resource-constraint'),
  requestsMax: option(
    integer(100, 1, 100_000),
    'subscription requests that wait for one account; more: resource-constraint',
  ),
  requestMaxChars: option(
    integer(10_000, 500, 1_000_000),
    'characters of a request that is kept whole until it is answered; of a longer one only the addresses are',
  ),
  nameMaxChars: option(
    integer(1_023, 32, 65_536),
    "characters of an item's name and of a group's; more: not-acceptable",
  ),
  groupsMax: option(integer(50, 1, 10_000), 'groups of one item; more: not-acceptable'),
  idleMax: option(integer(1_000, 1, 1_000_000), 'rosters kept in memory for accounts without a session'),
  strangerIqs: option(
    oneOf(['refuse', 'deliver'], 'refuse'),
    'IQs to a client that does not share its presence with the sender (RFC 6121 §8.5.3.1)',
  ),
} satisfies Options

export type RosterConfig = ValuesOf<typeof rosterConfig>
