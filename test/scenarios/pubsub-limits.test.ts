/** Pubsub's bounds, set low enough to be reached. */

import { runScenarios } from '../support/scenario.ts'

runScenarios('pubsub-limits', {
  set: {
    'pubsub.subscriptionsPerNodeMax': '1',
    'pubsub.subscriptionsPerAccountMax': '2',
    'pubsub.affiliationsPerNodeMax': '2',
    'pubsub.itemsMax': '3',
    'pubsub.sweepSeconds': '1',
    'pubsub.leaseMaxSeconds': '3600',
    'pubsub.pageMaxItems': '2',
    'pubsub.pageIndexMax': '1',
    'pubsub.listMaxEntries': '3',
    'pubsub.discoveryReadsMax': '1',
    'pubsub.childrenMax': '2',
    'pubsub.collectionReadNodesMax': '1',
    'pubsub.parentsMax': '1',
    'pubsub.relationshipDepthMax': '1',
    'pubsub.digestEventsMax': '2',
    'pubsub.digestMaxChars': '1024',
    'pubsub.payloadMaxBytes': '2048',
    'pubsub.attachedItemsMax': '1',
    'pubsub.redirectsMax': '1',
    'pubsub.managedChangesMax': '1',
    'pubsub.managedListsMax': '1',
    'pubsub.accountItemsMax': '2',
  },
})
