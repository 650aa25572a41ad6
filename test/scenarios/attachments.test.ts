/** Attachments to items, at the shared service and at accounts, with bounds that are low enough to be reached. XEP-0470. */

import { runScenarios } from '../support/scenario.ts'

runScenarios('attachments', {
  set: {
    'pubsub.accountNodesMax': '2',
    'pubsub.accountAttachedItemsMax': '2',
    'pubsub.attachmentsPerItemMax': '3',
    'pubsub.attachmentMaxBytes': '1024',
    'pubsub.reactionsPerAttachmentMax': '4',
    'pubsub.reactionsPerItemMax': '5',
    'pubsub.reactionMaxChars': '16',
    'pubsub.sweepSeconds': '1',
  },
})
