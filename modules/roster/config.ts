/** The options of rosters: `roster.shared=components` in sacm.toml and its like. */

import { z } from 'zod'

const whole = (fallback: number, min: number, max: number, text: string) =>
  z.coerce.number().int().min(min).max(max).default(fallback).describe(text)

export const rosterConfig = z.object({
  shared: z
    .enum(['off', 'components'])
    .default('off')
    .describe('components: all accounts with a SACM role see each other without subscriptions, read-only'),
  itemsMax: whole(1_000, 1, 100_000, 'items in one roster; more: resource-constraint'),
  requestsMax: whole(100, 1, 100_000, 'subscription requests that wait for one account; more: resource-constraint'),
  requestMaxChars: whole(
    10_000,
    500,
    1_000_000,
    'characters of a request that is kept whole until it is answered; of a longer one only the addresses are',
  ),
  nameMaxChars: whole(1_023, 32, 65_536, "characters of an item's name and of a group's; more: not-acceptable"),
  groupsMax: whole(50, 1, 10_000, 'groups of one item; more: not-acceptable'),
  idleMax: whole(1_000, 1, 1_000_000, 'rosters kept in memory for accounts without a session'),
  strangerIqs: z
    .enum(['refuse', 'deliver'])
    .default('refuse')
    .describe('IQs to a client that does not share its presence with the sender (RFC 6121 §8.5.3.1)'),
})

export type RosterConfig = z.infer<typeof rosterConfig>
