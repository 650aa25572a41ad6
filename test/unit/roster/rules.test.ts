/** Every row of RFC 6121, appendix A, tables 2 to 9, as they stand there. */

import { describe, expect, test } from 'vitest'
import { type Inbound, inbound, outbound, type State, type Subscription } from '../../../modules/roster/rules.ts'

type Name =
  | 'None'
  | 'To'
  | 'From'
  | 'Both'
  | `None + Pending ${'Out' | 'In' | 'Out+In'}`
  | 'To + Pending In'
  | 'From + Pending Out'
const SAME = 'no state change'

function state(name: Name, isApproved = false): State {
  const [subscription = '', pending = ''] = name.split(' + Pending ')
  return {
    // The part before the plus is one of the four.
    subscription: subscription.toLowerCase() as Subscription,
    isAsking: pending.startsWith('Out'),
    isAsked: pending.endsWith('In'),
    isApproved,
  }
}

type Row = readonly [Name, boolean, Name | typeof SAME]

function next(row: Row): State {
  return state(row[2] === SAME ? row[0] : row[2])
}

describe('outbound', () => {
  test.each<Row>([
    ['None', true, 'None + Pending Out'],
    ['None + Pending Out', true, SAME],
    ['None + Pending In', true, 'None + Pending Out+In'],
    ['None + Pending Out+In', true, SAME],
    ['To', true, SAME],
    ['To + Pending In', true, SAME],
    ['From', true, 'From + Pending Out'],
    ['From + Pending Out', true, SAME],
    ['Both', true, SAME],
  ])('table 2, subscribe: %s, route %s, %s', (...row) => {
    expect(outbound(state(row[0]), 'subscribe')).toEqual({ isRouted: row[1], next: next(row) })
  })

  test.each<Row>([
    ['None', true, SAME],
    ['None + Pending Out', true, 'None'],
    ['None + Pending In', true, SAME],
    ['None + Pending Out+In', true, 'None + Pending In'],
    ['To', true, 'None'],
    ['To + Pending In', true, 'None + Pending In'],
    ['From', true, SAME],
    ['From + Pending Out', true, 'From'],
    ['Both', true, 'From'],
  ])('table 3, unsubscribe: %s, route %s, %s', (...row) => {
    expect(outbound(state(row[0]), 'unsubscribe')).toEqual({ isRouted: row[1], next: next(row) })
  })

  test.each<readonly [Name, boolean, Name | typeof SAME, boolean]>([
    ['None', false, SAME, true],
    ['None + Pending Out', false, SAME, true],
    ['None + Pending In', true, 'From', false],
    ['None + Pending Out+In', true, 'From + Pending Out', false],
    ['To', false, SAME, true],
    ['To + Pending In', true, 'Both', false],
    ['From', false, SAME, false],
    ['From + Pending Out', false, SAME, false],
    ['Both', false, SAME, false],
  ])('table 4, subscribed: %s, route %s, %s, pre-approved %s', (from, isRouted, to, isApproved) => {
    expect(outbound(state(from), 'subscribed')).toEqual({
      isRouted,
      next: { ...next([from, isRouted, to]), isApproved },
    })
  })

  test.each<Row>([
    ['None', false, SAME],
    ['None + Pending Out', false, SAME],
    ['None + Pending In', true, 'None'],
    ['None + Pending Out+In', true, 'None + Pending Out'],
    ['To', false, SAME],
    ['To + Pending In', true, 'To'],
    ['From', true, 'None'],
    ['From + Pending Out', true, 'None + Pending Out'],
    ['Both', true, 'To'],
  ])('table 5, unsubscribed: %s, route %s, %s; a pre-approval goes', (...row) => {
    expect(outbound(state(row[0]), 'unsubscribed')).toEqual({ isRouted: row[1], next: next(row) })
    expect(outbound(state(row[0], true), 'unsubscribed')).toEqual({ isRouted: row[1], next: next(row) })
  })
})

describe('inbound', () => {
  const outcome = (row: Row, reply?: Inbound['reply']): Inbound => ({ isDelivered: row[1], next: next(row), reply })

  test.each<readonly [Name, boolean, Name | typeof SAME, Inbound['reply']]>([
    ['None', true, 'None + Pending In', undefined],
    ['None + Pending Out', true, 'None + Pending Out+In', undefined],
    ['None + Pending In', false, SAME, undefined],
    ['None + Pending Out+In', false, SAME, undefined],
    ['To', true, 'To + Pending In', undefined],
    ['To + Pending In', false, SAME, undefined],
    ['From', false, SAME, 'subscribed'],
    ['From + Pending Out', false, SAME, 'subscribed'],
    ['Both', false, SAME, 'subscribed'],
  ])('table 6, subscribe: %s, deliver %s, %s, reply %s', (from, isDelivered, to, reply) => {
    expect(inbound(state(from), 'subscribe')).toEqual(outcome([from, isDelivered, to], reply))
  })

  test.each<readonly [Name, Name]>([
    ['None', 'From'],
    ['None + Pending Out', 'From + Pending Out'],
    ['To', 'Both'],
  ])('table 6, note 1, subscribe when pre-approved: %s, %s', (from, to) => {
    const approved = inbound(state(from, true), 'subscribe')
    expect(approved).toEqual({ isDelivered: false, next: state(to, true), reply: 'subscribed' })
  })

  test.each<Row>([
    ['None', false, SAME],
    ['None + Pending Out', false, SAME],
    ['None + Pending In', true, 'None'],
    ['None + Pending Out+In', true, 'None + Pending Out'],
    ['To', false, SAME],
    ['To + Pending In', true, 'To'],
    ['From', true, 'None'],
    ['From + Pending Out', true, 'None + Pending Out'],
    ['Both', true, 'To'],
  ])('table 7, unsubscribe: %s, deliver %s, %s', (...row) => {
    expect(inbound(state(row[0]), 'unsubscribe')).toEqual(outcome(row, row[1] ? 'unsubscribed' : undefined))
  })

  test.each<Row>([
    ['None', false, SAME],
    ['None + Pending Out', true, 'To'],
    ['None + Pending In', false, SAME],
    ['None + Pending Out+In', true, 'To + Pending In'],
    ['To', false, SAME],
    ['To + Pending In', false, SAME],
    ['From', false, SAME],
    ['From + Pending Out', true, 'Both'],
    ['Both', false, SAME],
  ])('table 8, subscribed: %s, deliver %s, %s', (...row) => {
    expect(inbound(state(row[0]), 'subscribed')).toEqual(outcome(row))
  })

  test.each<Row>([
    ['None', false, SAME],
    ['None + Pending Out', true, 'None'],
    ['None + Pending In', false, SAME],
    ['None + Pending Out+In', true, 'None + Pending In'],
    ['To', true, 'None'],
    ['To + Pending In', true, 'None + Pending In'],
    ['From', false, SAME],
    ['From + Pending Out', true, 'From'],
    ['Both', true, 'From'],
  ])('table 9, unsubscribed: %s, deliver %s, %s', (...row) => {
    expect(inbound(state(row[0]), 'unsubscribed')).toEqual(outcome(row))
  })

  test.each(['None', 'None + Pending Out', 'To'] as const)(
    'a pre-approval of %s outlives what the contact sends',
    (name) => {
      for (const type of ['unsubscribe', 'subscribed', 'unsubscribed'] as const)
        expect(inbound(state(name, true), type).next.isApproved).toBe(true)
    },
  )
})
