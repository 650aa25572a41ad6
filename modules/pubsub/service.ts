/** One use case per request; §5 to §8 of XEP-0060 have a file each. */

import type { Element } from '../../server/xml/element.ts'
import { isAttachmentNode } from './attachment-names.ts'
import { publishAttachment, refuseKept, retractAttachment, withCanonicalName } from './attachments.ts'
import { collectedItems, collectionAsked } from './collected.ts'
import { associate, dissociate } from './collections.ts'
import type { Asker, PubsubParts } from './context.ts'
import { affiliations, subscriptions } from './entity.ts'
import {
  configure,
  create,
  deleteNode,
  getAffiliations,
  getConfig,
  getDefault,
  getSubscriptions,
  purge,
  setAffiliations,
  setSubscriptions,
} from './owner.ts'
import { performAtList } from './public-lists.ts'
import { isPublicList } from './public-names.ts'
import { publish, retract } from './publisher.ts'
import type { PubsubRequest } from './requests.ts'
import { items } from './retrieval.ts'
import { getDefaultOptions, getOptions, setOptions, subscribe, unsubscribe } from './subscriber.ts'

/**
 * Does what is asked. Writes are submitted before the first await.
 * @returns the result's payload; undefined: an empty result
 * @throws StanzaError of the module's table
 */
export function perform(
  parts: PubsubParts,
  asker: Asker,
  asked: PubsubRequest,
): Element | undefined | Promise<Element | undefined> {
  const request = withCanonicalName(parts, asker.service, asked)
  refuseKept(parts, asker, request)
  if ('nodeId' in request && request.nodeId !== undefined && isPublicList(request.nodeId))
    return performAtList(parts, asker, { ...request, nodeId: request.nodeId })
  switch (request.kind) {
    case 'subscriptions':
      return subscriptions(parts, asker, request)
    case 'affiliations':
      return affiliations(parts, asker, request)
    case 'subscribe':
      return subscribe(parts, asker, request)
    case 'unsubscribe':
      return unsubscribe(parts, asker, request)
    case 'getOptions':
      return getOptions(parts, asker, request)
    case 'setOptions':
      return setOptions(parts, asker, request)
    case 'getDefaultOptions':
      return getDefaultOptions(parts, asker, request)
    case 'items': {
      const collection = collectionAsked(parts, asker, request.nodeId)
      return collection ? collectedItems(parts, asker, collection, request) : items(parts, asker, request)
    }
    case 'publish':
      return isAttachmentNode(request.nodeId)
        ? publishAttachment(parts, asker, request)
        : publish(parts, asker, request)
    case 'retract':
      return isAttachmentNode(request.nodeId)
        ? retractAttachment(parts, asker, request)
        : retract(parts, asker, request)
    case 'create':
      return create(parts, asker, request)
    case 'getConfig':
      return getConfig(parts, asker, request)
    case 'getDefault':
      return getDefault(parts, asker, request)
    case 'associate':
      return associate(parts, asker, request)
    case 'dissociate':
      return dissociate(parts, asker, request)
    case 'configure':
      return configure(parts, asker, request)
    case 'delete':
      return deleteNode(parts, asker, request)
    case 'purge':
      return purge(parts, asker, request)
    case 'getSubscriptions':
      return getSubscriptions(parts, asker, request)
    case 'setSubscriptions':
      return setSubscriptions(parts, asker, request)
    case 'getAffiliations':
      return getAffiliations(parts, asker, request)
    case 'setAffiliations':
      return setAffiliations(parts, asker, request)
  }
}
