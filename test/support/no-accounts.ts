/** For pubsub's use cases where no account has nodes of its own: nobody is in a roster, and nobody is online. */

import { Audience, type AudienceParts } from '../../modules/pubsub/audience.ts'
import { el } from '../../server/xml/element.ts'

export function noAudience(parts: Partial<AudienceParts> = {}): Audience {
  return new Audience({
    rosters: {
      ready: () => undefined,
      relation: () => ({ seesPresence: false, groups: [] }),
      groups: () => [],
      subscribers: () => [],
      subscriptions: () => [],
      read: async () => el('query'),
    },
    clients: { of: () => undefined },
    sessions: { of: () => [] },
    isSubscribed: () => false,
    ...parts,
  })
}
