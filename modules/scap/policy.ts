/** Policies in a small XML form of our own: model, parser with places of faults, writer. Namespace urn:sacm-xmpp:policy:0. */

import { type Element, el } from '../../server/xml/element.ts'
import { type DocumentNode, type Place, readDocument, readElement } from './document.ts'
import { compilePattern } from './pattern.ts'

export const NS_POLICY = 'urn:sacm-xmpp:policy:0'

const SEVERITIES = ['info', 'low', 'medium', 'high', 'critical'] as const
const OPERATIONS = [
  'equals',
  'not-equal',
  'pattern',
  'not-pattern',
  'greater',
  'greater-or-equal',
  'less',
  'less-or-equal',
  'in',
  'not-in',
  'exists',
  'none-exist',
] as const
const DATATYPES = ['string', 'integer', 'version'] as const
const MATCHES = ['all', 'any', 'none'] as const

export type Severity = (typeof SEVERITIES)[number]
export type Operation = (typeof OPERATIONS)[number]

/** A test of every attribute whose name matches `name` (`*` anywhere after its first segment). */
export interface AttributeTest {
  readonly kind: 'attribute'
  readonly name: string
  /** Name patterns left out again; only beside a `name` with `*`. */
  readonly except?: readonly string[]
  readonly operation: Operation
  /** How values compare: as text, number or dotted version. */
  readonly datatype: 'string' | 'integer' | 'version'
  /** One value; several for in and not-in; none for exists and none-exist. */
  readonly values: readonly string[]
  /** Of the matching attributes, how many must satisfy the test; `all` for exists and none-exist. */
  readonly match: 'all' | 'any' | 'none'
}
export type Check =
  | AttributeTest
  | { readonly kind: 'and' | 'or'; readonly checks: readonly Check[] }
  | { readonly kind: 'not'; readonly check: Check }

export interface PolicyRule {
  readonly id: string
  readonly title: string
  readonly severity: Severity
  readonly rationale: string
  readonly remediation: string
  /** At least one: URL or name of the public source. */
  readonly references: readonly { readonly href?: string; readonly text: string }[]
  /** When false, the rule is not applicable. */
  readonly applies?: Check
  readonly check: Check
}
export interface Policy {
  readonly id: string
  readonly version: string
  readonly title: string
  readonly description: string
  readonly rules: readonly PolicyRule[]
}

/** A policy that does not parse, with the place of the fault. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError'
  /** `/policy/rule[3]/check`. */
  readonly path: string
  /** 1-based; undefined when read from an Element. */
  readonly line: number | undefined
  readonly column: number | undefined
  constructor(text: string, place: Place, options?: ErrorOptions) {
    super(text, options)
    this.path = place.path
    this.line = place.line
    this.column = place.column
  }
}

/** Bounds of one policy; an author's, so that a server that stores it and an evaluator that runs it agree. */
const POLICY_LIMITS = {
  maxLength: 4_194_304,
  maxDepth: 40,
  maxElements: 100_000,
  rules: 5_000,
  values: 1_000,
  references: 50,
  nameLength: 512,
  textLength: 4_096,
} as const

const REPEATED: ReadonlySet<string> = new Set(['rule', 'reference', 'attribute', 'and', 'or', 'not', 'value'])
const ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/
// The first segment is the attribute's area; it decides what counts as collected, so it holds no `*`.
const NAME = /^[A-Za-z0-9_-]+(?:\.[^\s]+)?$/
const INTEGER = /^[+-]?[0-9]{1,40}$/

const fault = (text: string, place: Place) => new PolicyError(text, place)

/** @throws PolicyError with line and column */
export function parsePolicyText(xml: string): Policy {
  return readPolicy(readDocument(xml, REPEATED, POLICY_LIMITS, fault))
}

/** @throws PolicyError with the path */
export function parsePolicy(element: Element): Policy {
  return readPolicy(readElement(element, REPEATED, POLICY_LIMITS, fault))
}

function readPolicy(node: DocumentNode): Policy {
  if (node.name !== 'policy' || node.ns !== NS_POLICY) {
    throw fault(`the root is '${node.name}' in '${node.ns}'; expected 'policy' in '${NS_POLICY}'`, node.place())
  }
  allowAttributes(node, ['id', 'version'])
  const children = sequenceOf(node, ['title', 'description', 'rule'])
  const rules = children.filter((child) => child.name === 'rule')
  if (rules.length === 0) throw fault('a policy has at least one rule', node.place())
  const excess = rules[POLICY_LIMITS.rules]
  if (excess) throw fault(`a policy has at most ${POLICY_LIMITS.rules} rules`, excess.place())
  const seen = new Map<string, string>()
  return {
    id: requiredId(node, 'id'),
    version: requiredId(node, 'version'),
    title: requiredText(node, 'title'),
    description: requiredText(node, 'description'),
    rules: rules.map((child) => {
      const rule = readRule(child)
      const first = seen.get(rule.id)
      if (first) throw fault(`rule id '${rule.id}' is already used at ${first}`, child.place('id'))
      seen.set(rule.id, child.path)
      return rule
    }),
  }
}

function readRule(node: DocumentNode): PolicyRule {
  allowAttributes(node, ['id', 'severity'])
  const children = sequenceOf(node, ['title', 'rationale', 'remediation', 'reference', 'applies', 'check'])
  const references = children.filter((child) => child.name === 'reference')
  if (references.length === 0) throw fault('a rule names at least one public reference', node.place())
  const excess = references[POLICY_LIMITS.references]
  if (excess) throw fault(`a rule has at most ${POLICY_LIMITS.references} references`, excess.place())
  const applies = one(node, 'applies')
  const check = one(node, 'check')
  if (!check) throw fault("element 'check' is missing", node.place())
  return {
    id: requiredId(node, 'id'),
    title: requiredText(node, 'title'),
    severity: oneOf(node, 'severity', SEVERITIES),
    rationale: requiredText(node, 'rationale'),
    remediation: requiredText(node, 'remediation'),
    references: references.map(readReference),
    ...(applies ? { applies: readSingleCheck(applies) } : {}),
    check: readSingleCheck(check),
  }
}

function readReference(node: DocumentNode): PolicyRule['references'][number] {
  allowAttributes(node, ['href'])
  const text = plainText(node)
  const href = node.attributes.get('href')
  if (href === undefined) return { text }
  // Shown as a link by consoles: nothing but the web's own schemes.
  if (!/^https?:\/\/[^\s<>"]{1,2000}$/.test(href)) throw fault('href is an http or https URL', node.place('href'))
  return { href, text }
}

const CHECKS = ['attribute', 'and', 'or', 'not'] as const

/** The one check inside `<check>`, `<applies>` or `<not>`. */
function readSingleCheck(node: DocumentNode): Check {
  allowAttributes(node, [])
  const [check, more] = elementsOf(node, CHECKS)
  if (!check) throw fault(`'${node.name}' holds one of: ${CHECKS.join(', ')}`, node.place())
  if (more) throw fault(`'${node.name}' holds one check; combine several with 'and' or 'or'`, more.place())
  return readCheck(check)
}

function readCheck(node: DocumentNode): Check {
  if (node.name === 'attribute') return readAttributeTest(node)
  if (node.name === 'not') return { kind: 'not', check: readSingleCheck(node) }
  allowAttributes(node, [])
  const checks = elementsOf(node, CHECKS).map(readCheck)
  if (checks.length === 0) throw fault(`'${node.name}' holds at least one of: ${CHECKS.join(', ')}`, node.place())
  // readSingleCheck and elementsOf let only `and` and `or` come here.
  return { kind: node.name === 'and' ? 'and' : 'or', checks }
}

function readAttributeTest(node: DocumentNode): AttributeTest {
  allowAttributes(node, ['name', 'except', 'operation', 'datatype', 'match'])
  const name = requiredAttribute(node, 'name')
  checkName(node, 'name', name)
  const except = node.attributes.get('except')?.trim().split(/\s+/)
  if (except && !name.includes('*')) throw fault("except needs a name with '*'", node.place('except'))
  if (except && except.length > POLICY_LIMITS.values) {
    throw fault(`except has at most ${POLICY_LIMITS.values} names`, node.place('except'))
  }
  for (const each of except ?? []) checkName(node, 'except', each)
  const operation = oneOf(node, 'operation', OPERATIONS)
  const isExistence = operation === 'exists' || operation === 'none-exist'
  for (const attribute of ['datatype', 'match']) {
    if (isExistence && node.attributes.has(attribute)) {
      throw fault(`${attribute} has no meaning with '${operation}'`, node.place(attribute))
    }
  }
  const datatype = oneOf(node, 'datatype', DATATYPES, 'string')
  if (operation.endsWith('pattern') && datatype !== 'string') {
    throw fault(`'${operation}' compares strings only`, node.place('datatype'))
  }
  if (/^(greater|less)/.test(operation) && datatype === 'string') {
    const where = node.attributes.has('datatype') ? 'datatype' : 'operation'
    throw fault(`'${operation}' needs datatype 'integer' or 'version'`, node.place(where))
  }
  const match = oneOf(node, 'match', MATCHES, 'all')
  const valueNodes = elementsOf(node, ['value'])
  const isSet = operation === 'in' || operation === 'not-in'
  if (isExistence && valueNodes[0]) throw fault(`'${operation}' takes no value`, valueNodes[0].place())
  if (!isExistence && valueNodes.length === 0) throw fault(`'${operation}' needs a value`, node.place())
  if (!isExistence && !isSet && valueNodes[1]) {
    throw fault(`'${operation}' takes one value; for several use 'in' or 'not-in'`, valueNodes[1].place())
  }
  const excess = valueNodes[POLICY_LIMITS.values]
  if (excess) throw fault(`a test has at most ${POLICY_LIMITS.values} values`, excess.place())
  const values = valueNodes.map((value) => readValue(value, operation, datatype))
  return { kind: 'attribute', name, ...(except ? { except } : {}), operation, datatype, values, match }
}

function checkName(node: DocumentNode, attribute: string, name: string): void {
  if (name.length <= POLICY_LIMITS.nameLength && NAME.test(name)) return
  const form = `a dotted name of at most ${POLICY_LIMITS.nameLength} characters, '*' only after its first segment`
  throw fault(`${attribute} is ${form}`, node.place(attribute))
}

/** A value is taken as it stands, white space and all. */
function readValue(node: DocumentNode, operation: Operation, datatype: AttributeTest['datatype']): string {
  allowAttributes(node, [])
  noElements(node)
  const value = node.text
  if (value.length > POLICY_LIMITS.textLength) {
    throw fault(`a value has at most ${POLICY_LIMITS.textLength} characters`, node.place())
  }
  if (datatype === 'integer' && !INTEGER.test(value)) throw fault(`'${value}' is not an integer`, node.place())
  if (datatype === 'version' && !/^[0-9A-Za-z][^\s]{0,255}$/.test(value)) {
    throw fault(`'${value}' is not a version`, node.place())
  }
  if (operation.endsWith('pattern')) {
    try {
      compilePattern(value)
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new PolicyError(`the pattern does not compile: ${reason}`, node.place(), { cause })
    }
  }
  return value
}

/** The child elements, all of which must be of ours and named in `allowed`; no text between them. */
function elementsOf(node: DocumentNode, allowed: readonly string[]): readonly DocumentNode[] {
  for (const child of node.children) {
    if (child.ns !== NS_POLICY || !allowed.includes(child.name)) {
      const where = child.ns === NS_POLICY ? '' : ` of namespace '${child.ns}'`
      throw fault(`element '${child.name}'${where} is not allowed here; allowed: ${allowed.join(', ')}`, child.place())
    }
  }
  if (node.text.trim() !== '') throw fault(`'${node.name}' holds elements only, no text`, node.place())
  return node.children
}

/** As `elementsOf`, and in the order of `allowed`. */
function sequenceOf(node: DocumentNode, allowed: readonly string[]): readonly DocumentNode[] {
  const children = elementsOf(node, allowed)
  let last = 0
  for (const child of children) {
    const position = allowed.indexOf(child.name)
    if (position < last) {
      throw fault(`element '${child.name}' is out of order; the order is: ${allowed.join(', ')}`, child.place())
    }
    last = position
  }
  return children
}

function noElements(node: DocumentNode): void {
  const child = node.children[0]
  if (child) throw fault(`'${node.name}' holds text only, no elements`, child.place())
}

function allowAttributes(node: DocumentNode, allowed: readonly string[]): void {
  for (const name of node.attributes.keys()) {
    if (allowed.includes(name)) continue
    const list = allowed.length > 0 ? `allowed: ${allowed.join(', ')}` : 'none is'
    throw fault(`attribute '${name}' is not allowed on '${node.name}'; ${list}`, node.place(name))
  }
}

function requiredAttribute(node: DocumentNode, name: string): string {
  const value = node.attributes.get(name)
  if (value === undefined) throw fault(`attribute '${name}' is missing on '${node.name}'`, node.place())
  return value
}

function requiredId(node: DocumentNode, name: string): string {
  const value = requiredAttribute(node, name)
  if (ID.test(value)) return value
  const form = "1 to 128 letters, digits, '.', '_', ':' and '-', the first a letter or digit"
  throw fault(`${name} is ${form}`, node.place(name))
}

function oneOf<T extends string>(node: DocumentNode, name: string, allowed: readonly T[], standard?: T): T {
  const value = standard === undefined ? requiredAttribute(node, name) : (node.attributes.get(name) ?? standard)
  const found = allowed.find((each) => each === value)
  if (found === undefined) throw fault(`${name} '${value}' is not one of: ${allowed.join(', ')}`, node.place(name))
  return found
}

function one(node: DocumentNode, name: string): DocumentNode | undefined {
  const [first, second] = node.children.filter((child) => child.name === name)
  if (second) throw fault(`element '${name}' is given twice`, second.place())
  return first
}

function requiredText(node: DocumentNode, name: string): string {
  const child = one(node, name)
  if (!child) throw fault(`element '${name}' is missing`, node.place())
  allowAttributes(child, [])
  return plainText(child)
}

/** Prose: runs of white space are one space. */
function plainText(node: DocumentNode): string {
  noElements(node)
  const text = node.text.trim().replace(/\s+/g, ' ')
  if (text === '') throw fault(`'${node.name}' is empty`, node.place())
  if (text.length > POLICY_LIMITS.textLength) {
    throw fault(`'${node.name}' has at most ${POLICY_LIMITS.textLength} characters`, node.place())
  }
  return text
}

/** The policy as it is published; `parsePolicy` reads it back equal. */
export function renderPolicy(policy: Policy): Element {
  return el(
    'policy',
    { xmlns: NS_POLICY, id: policy.id, version: policy.version },
    el('title', {}, policy.title),
    el('description', {}, policy.description),
    ...policy.rules.map((rule) =>
      el(
        'rule',
        { id: rule.id, severity: rule.severity },
        el('title', {}, rule.title),
        el('rationale', {}, rule.rationale),
        el('remediation', {}, rule.remediation),
        ...rule.references.map(({ href, text }) => el('reference', { href }, text)),
        rule.applies && el('applies', {}, renderCheck(rule.applies)),
        el('check', {}, renderCheck(rule.check)),
      ),
    ),
  )
}

function renderCheck(check: Check): Element {
  switch (check.kind) {
    case 'attribute':
      return el(
        'attribute',
        {
          name: check.name,
          except: check.except?.join(' '),
          operation: check.operation,
          datatype: check.datatype === 'string' ? undefined : check.datatype,
          match: check.match === 'all' ? undefined : check.match,
        },
        ...check.values.map((value) => el('value', {}, value)),
      )
    case 'not':
      return el('not', {}, renderCheck(check.check))
    default:
      return el(check.kind, {}, ...check.checks.map(renderCheck))
  }
}
