/** The options of pubsub: `pubsub.create=anyone` in sacm.toml and its like. */

import { integer, type Options, oneOf, option, type ValuesOf } from '../../server/module/api.ts'

export const pubsubConfig = {
  create: option(
    oneOf(['anyone', 'roles'], 'roles'),
    'who may create nodes: any account, or those with a role; others: forbidden',
  ),
  nodesMax: option(
    integer(10_000, 1, 1_000_000),
    "nodes that are no account's; more: resource-constraint with max-nodes-exceeded",
  ),
  itemsMax: option(
    integer(1_000_000, 1, 100_000_000),
    'items a node keeps at most, and what max_items=max means; the oldest go; a larger max_items: not-acceptable',
  ),
  archiveMaxItems: option(
    integer(20, 0, 1_000_000),
    'items that were replaced or went for room, and places of retracted ones, kept in the archive of a node, or as many as it has items where those are more; the oldest go; 0: none',
  ),
  childrenMax: option(
    integer(10_000, 1, 1_000_000),
    'nodes a collection holds at most, and what children_max=max means; more: not-allowed with max-nodes-exceeded',
  ),
  parentsMax: option(
    integer(16, 1, 1_000),
    'collections that a node is in at most; more: not-allowed with max-nodes-exceeded',
  ),
  collectionReadNodesMax: option(
    integer(1_000, 1, 100_000),
    'nodes below a collection, or the root, whose items are read together; more: feature-not-implemented with unsupported',
  ),
  relationshipDepthMax: option(
    integer(16, 1, 100),
    'relationships from a node up to what is linked to nothing and has no parent; more: not-allowed with max-nodes-exceeded',
  ),
  accountNodesMax: option(
    integer(200, 1, 100_000),
    'nodes of one account; more: resource-constraint with max-nodes-exceeded',
  ),
  accountItemsMax: option(
    integer(1_000, 1, 1_000_000),
    "items an account's node keeps at most, and what max_items=max means there; a larger max_items: not-acceptable",
  ),
  payloadMaxBytes: option(
    integer(262_144, 1_024, 16_777_216),
    'bytes of one payload; more: not-acceptable with payload-too-big; bounded by limits.stanzaBytes too',
  ),
  subscriptionsPerNodeMax: option(
    integer(10_000, 1, 1_000_000),
    'subscriptions to one node; more: policy-violation with too-many-subscriptions',
  ),
  subscriptionsPerAccountMax: option(
    integer(1_000, 1, 100_000),
    'subscriptions of one account here, and as many at components by XEP-0376; more: policy-violation with too-many-subscriptions',
  ),
  managedRequestsMax: option(
    integer(20, 1, 1_000),
    'requests of one account to services (XEP-0376) that wait for an answer; more: resource-constraint',
  ),
  managedTimeoutSeconds: option(
    integer(30, 1, 600),
    "how long a service may take to answer an account's request (XEP-0376); longer: remote-server-timeout",
  ),
  managedChangesMax: option(
    integer(100, 1, 10_000),
    'changes of one list of subscriptions that a client may catch up by (XEP-0376); after more it gets the list',
  ),
  managedListsMax: option(
    integer(1_000, 1, 100_000),
    'lists of subscriptions whose changes are kept (XEP-0376); clients of those used longest ago get the list',
  ),
  redirectsMax: option(
    integer(1_000, 0, 100_000),
    'new addresses of deleted nodes remembered per service (<redirect/>); the oldest go, then item-not-found',
  ),
  leaseMaxSeconds: option(
    integer(31_536_000, 60, 3_153_600_000),
    'seconds that a subscription with an end lasts at most; a later end is cut to that',
  ),
  sweepSeconds: option(integer(30, 1, 3_600), 'seconds between two looks for subscriptions whose time is over'),
  affiliationsPerNodeMax: option(integer(10_000, 1, 1_000_000), 'affiliations at one node; more: not-acceptable'),
  digestEventsMax: option(
    integer(100, 1, 10_000),
    'events gathered for one subscription; at so many, the digest is sent',
  ),
  digestMaxChars: option(
    integer(262_144, 1_024, 16_777_216),
    'characters gathered for one subscription; the digest is sent before there are more',
  ),
  discoveryReadsMax: option(
    integer(1_000, 1, 100_000),
    'nodes whose items are looked for in one answer of extended discovery; none of them has one: policy-violation',
  ),
  attachedItemsMax: option(
    integer(10_000, 1, 1_000_000),
    "items with attachments at nodes that are no account's; more: resource-constraint with max-nodes-exceeded",
  ),
  accountAttachedItemsMax: option(
    integer(200, 1, 100_000),
    'items with attachments at the nodes of one account; more: resource-constraint with max-nodes-exceeded',
  ),
  attachmentsPerItemMax: option(
    integer(10_000, 1, 1_000_000),
    'accounts that attach to one item; more: conflict with node-full',
  ),
  attachmentMaxBytes: option(
    integer(8_192, 256, 262_144),
    'bytes of what one account attaches to an item; more: not-acceptable with payload-too-big',
  ),
  reactionsPerAttachmentMax: option(
    integer(20, 1, 1_000),
    'reactions of one account to one item; more: not-acceptable',
  ),
  reactionsPerItemMax: option(integer(500, 1, 10_000), 'different reactions to one item; another: not-acceptable'),
  reactionMaxChars: option(integer(32, 1, 1_000), 'characters (UTF-16) of one reaction; more: not-acceptable'),
  pageMaxItems: option(
    integer(100, 1, 10_000),
    'items in one answer; the rest by RSM; more ids asked for: not-acceptable',
  ),
  listMaxEntries: option(
    integer(1_000, 1, 100_000),
    'nodes, subscriptions or affiliations in the answer to who asks for no page; of more, so many, and how to go on by RSM',
  ),
  pageIndexMax: option(
    integer(10_000, 1, 1_000_000),
    'items counted from either end for a page by index; farther in: feature-not-implemented',
  ),
  pagePassedMax: option(
    integer(10_000, 1, 1_000_000),
    'items put in order, or passed over, for a page by creation of some of them; more: feature-not-implemented',
  ),
  pageMaxChars: option(
    integer(1_048_576, 16_384, 67_108_864),
    'characters of payload in one answer; the rest by RSM; one item is sent whatever its size',
  ),
} satisfies Options

export type PubsubConfig = ValuesOf<typeof pubsubConfig>
