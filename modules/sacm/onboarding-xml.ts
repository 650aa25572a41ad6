/**
 * Registration, capability handshake, heartbeat and inventory, Element to typed value and back.
 * SACM-XMPP §3; ARCH §Component Registration, §Capability Advertisement Handshake, §Heartbeat.
 */

import { formatDateTime } from '../../server/stanza/time.ts'
import { type Element, el } from '../../server/xml/element.ts'
import {
  childPlaces,
  defined,
  empty,
  onlyAttributes,
  openPayload,
  optional,
  type Place,
  payloadInvalid,
  required,
  requiredOf,
  requiredTime,
  textContent,
} from '../repository/xml.ts'
import {
  type Advertise,
  type Capability,
  type CapabilityAnswer,
  type Heartbeat,
  type InventoryItem,
  NS_CAPABILITY,
  NS_HEARTBEAT,
  NS_INVENTORY,
  NS_REGISTRATION,
  type Register,
} from './model.ts'

export const CAPABILITY_KINDS = ['collection', 'evaluation', 'repository'] as const
const REGISTRATION = '§3.1'
const HANDSHAKE = '§3.2'
const HEARTBEAT = '§3.3'
const INVENTORY = '§2.5'

/** Component ids match this; `isComponentId` refuses the reserved ones too. SACM-XMPP §2. */
const COMPONENT_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const RESERVED = new Set(['registration', 'orchestrator', 'collection', 'evaluation', 'repository', 'inventory'])

/** True when the text may stand as a component's id. SACM-XMPP §2. */
export function isComponentId(text: string): boolean {
  return COMPONENT_ID.test(text) && !RESERVED.has(text)
}

function componentId(place: Place, name: string): string {
  const id = required(place, name, 64)
  if (!isComponentId(id)) throw payloadInvalid(place, `@${name}`, `'${id}' is no component id`)
  return id
}

/** @throws StanzaError payload-invalid */
export function parseRegister(element: Element): Register {
  const place = openPayload(element, 'register', NS_REGISTRATION, REGISTRATION)
  onlyAttributes(place, ['id'])
  const children = childPlaces(place, NS_REGISTRATION, ['component'])
  if (optional(place, 'id') !== undefined) {
    if (children[0]) throw payloadInvalid(children[0], '', "'id' and <component/> exclude each other")
    return { kind: 'again', id: componentId(place, 'id') }
  }
  const [component, ...more] = children
  if (!component || more.length > 0) throw payloadInvalid(place, '', 'one <component/> is expected')
  onlyAttributes(component, ['type', 'name', 'description'])
  empty(component)
  return {
    kind: 'new',
    ...defined({
      type: required(component, 'type', 128),
      name: required(component, 'name', 256),
      description: optional(component, 'description', 1024),
    }),
  }
}

export function renderRegister(register: Register): Element {
  if (register.kind === 'again') return el('register', { xmlns: NS_REGISTRATION, id: register.id })
  const { type, name, description } = register
  return el('register', { xmlns: NS_REGISTRATION }, el('component', { type, name, description }))
}

/** @throws StanzaError payload-invalid */
export function parseRegistered(element: Element): string {
  const place = openPayload(element, 'registered', NS_REGISTRATION, REGISTRATION)
  onlyAttributes(place, ['id'])
  empty(place)
  return componentId(place, 'id')
}

export function renderRegistered(id: string): Element {
  return el('registered', { xmlns: NS_REGISTRATION, id })
}

/** @throws StanzaError payload-invalid */
export function parseAdvertise(element: Element): Advertise {
  const place = openPayload(element, 'advertise', NS_CAPABILITY, HANDSHAKE)
  onlyAttributes(place, ['id', 'type'])
  return {
    id: componentId(place, 'id'),
    type: required(place, 'type', 128),
    capabilities: parseCapabilityList(place, NS_CAPABILITY),
  }
}

function parseCapabilityList(place: Place, ns: string): Capability[] {
  const urns = new Set<string>()
  return childPlaces(place, ns, ['capability']).map((child) => {
    onlyAttributes(child, ['urn', 'kind'])
    const urn = required(child, 'urn', 256)
    if (!/^[A-Za-z][A-Za-z0-9+.-]*:\S+$/.test(urn)) throw payloadInvalid(child, '@urn', `'${urn}' is no URI`)
    if (urns.has(urn)) throw payloadInvalid(child, '@urn', `'${urn}' stands there twice`)
    urns.add(urn)
    const endpoints = childPlaces(child, ns, ['endpoint']).map((endpoint) => {
      onlyAttributes(endpoint, ['id'])
      empty(endpoint)
      return required(endpoint, 'id', 64)
    })
    return { urn, kind: requiredOf(child, 'kind', CAPABILITY_KINDS), endpoints }
  })
}

function renderCapability({ urn, kind, endpoints }: Capability): Element {
  return el('capability', { urn, kind }, ...endpoints.map((id) => el('endpoint', { id })))
}

export function renderAdvertise({ id, type, capabilities }: Advertise): Element {
  return el('advertise', { xmlns: NS_CAPABILITY, id, type }, ...capabilities.map(renderCapability))
}

/** @throws StanzaError payload-invalid */
export function parseCapabilities(element: Element): readonly CapabilityAnswer[] {
  const place = openPayload(element, 'capabilities', NS_CAPABILITY, HANDSHAKE)
  onlyAttributes(place, [])
  return childPlaces(place, NS_CAPABILITY, ['capability']).map((child) => {
    onlyAttributes(child, ['urn', 'status', 'topic'])
    const messages = childPlaces(child, NS_CAPABILITY, ['message']).map((message) => {
      onlyAttributes(message, [])
      return textContent(message)
    })
    return {
      ...defined({
        urn: required(child, 'urn', 256),
        status: requiredOf(child, 'status', ['success', 'failure']),
        topic: optional(child, 'topic', 1024),
      }),
      messages,
    }
  })
}

export function renderCapabilities(answers: readonly CapabilityAnswer[]): Element {
  return el(
    'capabilities',
    { xmlns: NS_CAPABILITY },
    ...answers.map(({ urn, status, topic, messages }) =>
      el('capability', { urn, status, topic }, ...messages.map((text) => el('message', {}, text))),
    ),
  )
}

/** @throws StanzaError payload-invalid */
export function parseHeartbeat(element: Element): Heartbeat {
  const place = openPayload(element, 'heartbeat', NS_HEARTBEAT, HEARTBEAT)
  onlyAttributes(place, ['action'])
  empty(place)
  return { action: requiredOf(place, 'action', ['ping', 'ping-with-capabilities']) }
}

export function renderHeartbeat({ action }: Heartbeat): Element {
  return el('heartbeat', { xmlns: NS_HEARTBEAT, action })
}

export function renderAlive(): Element {
  return el('alive', { xmlns: NS_HEARTBEAT })
}

/** @throws StanzaError payload-invalid */
export function parseInventoryItem(element: Element): InventoryItem {
  const place = openPayload(element, 'component', NS_INVENTORY, INVENTORY)
  onlyAttributes(place, ['id', 'jid', 'type', 'name', 'description', 'state', 'since'])
  return {
    ...defined({
      component: componentId(place, 'id'),
      bareJid: required(place, 'jid', 3071),
      type: required(place, 'type', 128),
      name: required(place, 'name', 256),
      description: optional(place, 'description', 1024),
      state: requiredOf(place, 'state', ['registered', 'gone', 'back']),
      since: requiredTime(place, 'since'),
    }),
    capabilities: parseCapabilityList(place, NS_INVENTORY),
  }
}

export function renderInventoryItem(item: InventoryItem): Element {
  return el(
    'component',
    {
      xmlns: NS_INVENTORY,
      id: item.component,
      jid: item.bareJid,
      type: item.type,
      name: item.name,
      description: item.description,
      state: item.state,
      since: formatDateTime(item.since),
    },
    ...item.capabilities.map(renderCapability),
  )
}
