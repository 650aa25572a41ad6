/** Policies to parse: the smallest one, with other parts where a test wants them, and one with every feature. */

import { NS_POLICY, type Policy, PolicyError, parsePolicyText } from '../../../modules/scap/policy.ts'

export const test1 = `<attribute name='sysctl.kernel.dmesg_restrict' operation='equals'><value>1</value></attribute>`

export function rule(check = `<check>${test1}</check>`, id = 'r1'): string {
  return `<rule id='${id}' severity='low'><title>T</title><rationale>Why</rationale><remediation>Do</remediation><reference>Us</reference>
${check}
</rule>`
}
export function policy(rules = rule(), head = '<title>P</title><description>D</description>'): string {
  return `<policy xmlns='${NS_POLICY}' id='p' version='1.0'>
${head}
${rules}
</policy>`
}
export const checked = (check: string) => policy(rule(`<check>${check}</check>`))

export function refusal(xml: string): PolicyError {
  try {
    parsePolicyText(xml)
  } catch (error) {
    if (error instanceof PolicyError) return error
    throw error
  }
  throw new Error(`accepted: ${xml}`)
}

/** A policy with every feature of the form. */
export const full: Policy = {
  id: 'full',
  version: '2.1-beta',
  title: 'Everything & more',
  description: 'With <angle> "quotes".',
  rules: [
    {
      id: 'a',
      title: 'A',
      severity: 'critical',
      rationale: 'Because.',
      remediation: 'Do it.',
      references: [{ href: 'https://example.org/a?b=c&d=e', text: 'Example' }, { text: 'A book' }],
      applies: {
        kind: 'not',
        check: {
          kind: 'attribute',
          name: 'a.b',
          operation: 'none-exist',
          datatype: 'string',
          values: [],
          match: 'all',
        },
      },
      check: {
        kind: 'or',
        checks: [
          {
            kind: 'attribute',
            name: 'listen.tcp.*:23.uid',
            except: ['listen.tcp.127.*', 'listen.tcp.[::1]:23.uid'],
            operation: 'none-exist',
            datatype: 'string',
            values: [],
            match: 'all',
          },
          {
            kind: 'and',
            checks: [
              {
                kind: 'attribute',
                name: 'package.*.version',
                operation: 'greater-or-equal',
                datatype: 'version',
                values: ['1:2.0~rc1-3'],
                match: 'none',
              },
            ],
          },
          {
            kind: 'attribute',
            name: 'x',
            operation: 'not-in',
            datatype: 'integer',
            values: ['-1', '007'],
            match: 'any',
          },
          {
            kind: 'attribute',
            name: 'x.y',
            operation: 'equals',
            datatype: 'string',
            values: ['  spaces\tand\nlines '],
            match: 'all',
          },
        ],
      },
    },
  ],
}
