/**
 * The regular expressions of policies, matched in time linear in the text.
 *
 * Patterns come from policy authors over the network, so a backtracking engine is no choice: `(a|a)*b` or forty
 * `a?` in a row would hold the thread for years. A pattern is compiled to a small non-deterministic automaton whose
 * states are all followed at once (Thompson, CACM 11(6), 1968): at most a few times `MAX_PROGRAM` steps per character.
 *
 * The language is the common core of POSIX extended, PCRE and ECMAScript expressions, so a pattern means the same in
 * all of them: literals, `.`, `[...]`, `\d \w \s \D \W \S`, `\t \n \r`, `\b \B`, `^ $` (of the whole text), `( )`,
 * `(?: )`, `|`, `* + ? {n} {n,} {n,m}`. Back references and look-around are not in it. Matching is a search: anchor
 * with `^` and `$` to match the whole.
 */

const MAX_PATTERN_LENGTH = 1024
const MAX_REPEAT = 255
const MAX_PROGRAM = 2000
const MAX_SITUATIONS = 200
const MAX_NESTING = 50

/** A pattern that does not compile; the message names the place within the pattern. */
export class PatternError extends Error {
  override readonly name = 'PatternError'
  /** 0-based place in the pattern. */
  readonly offset: number
  constructor(text: string, offset: number) {
    super(`${text} at character ${offset + 1} of the pattern`)
    this.offset = offset
  }
}

export interface Pattern {
  /** True when the text holds a match anywhere. */
  test(text: string): boolean
}

/** Sorted, disjoint code point ranges: from, to, from, to… both inclusive. */
type Ranges = readonly number[]

type Assertion = 'start' | 'end' | 'word-border' | 'no-word-border'

type Expression =
  | { readonly kind: 'set'; readonly ranges: Ranges }
  | { readonly kind: 'assert'; readonly assertion: Assertion }
  | { readonly kind: 'sequence'; readonly parts: readonly Expression[] }
  | { readonly kind: 'choice'; readonly parts: readonly Expression[] }
  | { readonly kind: 'repeat'; readonly body: Expression; readonly min: number; readonly max: number }

type Instruction =
  | { readonly op: 'set'; readonly ranges: Ranges }
  | { readonly op: 'assert'; readonly assertion: Assertion }
  | { readonly op: 'jump'; to: number }
  | { readonly op: 'split'; to: number; or: number }
  | { readonly op: 'match' }

const LAST = 0x10ffff
const DIGIT: Ranges = [0x30, 0x39]
const WORD: Ranges = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a]
// ECMAScript's WhiteSpace and LineTerminator, as `\s` there.
const SPACE: Ranges = [
  0x09, 0x0d, 0x20, 0x20, 0xa0, 0xa0, 0x1680, 0x1680, 0x2000, 0x200a, 0x2028, 0x2029, 0x202f, 0x202f, 0x205f, 0x205f,
  0x3000, 0x3000, 0xfeff, 0xfeff,
]
const LINE_END: Ranges = [0x0a, 0x0a, 0x0d, 0x0d, 0x2028, 0x2029]

/**
 * Compiles a pattern.
 * @throws PatternError when it is not of the language above or too large
 */
export function compilePattern(source: string): Pattern {
  if (source.length > MAX_PATTERN_LENGTH) {
    throw new PatternError(`a pattern has at most ${MAX_PATTERN_LENGTH} characters; this goes on`, MAX_PATTERN_LENGTH)
  }
  const program: Instruction[] = []
  emit(parse(source), program, { left: MAX_PROGRAM })
  program.push({ op: 'match' })
  return { test: searcher(program) }
}

/** Recursive descent; the nesting is bounded, so the recursion is too. */
function parse(source: string): Expression {
  const points = Array.from(source)
  let at = 0
  const peek = () => points[at]
  const fail = (text: string, offset = at): never => {
    throw new PatternError(text, offset)
  }

  function choice(depth: number): Expression {
    if (depth > MAX_NESTING) fail(`groups nest at most ${MAX_NESTING} deep`)
    const parts = [sequence(depth)]
    while (peek() === '|') {
      at++
      parts.push(sequence(depth))
    }
    return parts.length === 1 && parts[0] ? parts[0] : { kind: 'choice', parts }
  }

  function sequence(depth: number): Expression {
    const parts: Expression[] = []
    for (let next = peek(); next !== undefined && next !== '|' && next !== ')'; next = peek()) {
      parts.push(quantified(atom(depth)))
    }
    return { kind: 'sequence', parts }
  }

  function atom(depth: number): Expression {
    const start = at
    const char = points[at++]
    switch (char) {
      case '(': {
        if (peek() === '?') {
          if (points[at + 1] !== ':') fail('of the (? groups only (?: is known')
          at += 2
        }
        const body = choice(depth + 1)
        if (points[at++] !== ')') fail('the group is not closed', start)
        return body
      }
      case '[':
        return { kind: 'set', ranges: bracket(start) }
      case '.':
        return { kind: 'set', ranges: complement(LINE_END) }
      case '^':
        return { kind: 'assert', assertion: 'start' }
      case '$':
        return { kind: 'assert', assertion: 'end' }
      case '*':
      case '+':
      case '?':
      case '{':
        return fail(`nothing to repeat before '${char}'`, start)
      case ']':
      case '}':
        return fail(`'${char}' must be written '\\${char}'`, start)
      case '\\': {
        if (peek() === 'b' || peek() === 'B') {
          return { kind: 'assert', assertion: points[at++] === 'b' ? 'word-border' : 'no-word-border' }
        }
        return { kind: 'set', ranges: escaped(start) }
      }
      default: {
        const point = char?.codePointAt(0) ?? fail('the pattern ends here', start)
        return { kind: 'set', ranges: [point, point] }
      }
    }
  }

  /** After a backslash: a class or a single character. */
  function escaped(start: number): Ranges {
    const char = points[at++]
    switch (char) {
      case 'd':
        return DIGIT
      case 'D':
        return complement(DIGIT)
      case 'w':
        return WORD
      case 'W':
        return complement(WORD)
      case 's':
        return SPACE
      case 'S':
        return complement(SPACE)
      case 't':
        return [9, 9]
      case 'n':
        return [10, 10]
      case 'r':
        return [13, 13]
    }
    if (char === undefined || !/[!-/:-@[-`{-~]/.test(char)) fail(`the escape '\\${char ?? ''}' is not known`, start)
    const point = char?.codePointAt(0) ?? 0
    return [point, point]
  }

  function bracket(start: number): Ranges {
    const negated = peek() === '^'
    if (negated) at++
    const ranges: number[] = []
    for (;;) {
      const from = member(start)
      if (from === undefined) break
      // A hyphen first, last or after a range is itself.
      if (peek() === '-' && points[at + 1] !== ']' && points[at + 1] !== undefined) {
        const dash = at++
        const to = member(start)
        const low = from[0] ?? 0
        const high = to?.[1] ?? 0
        if (from.length > 2 || to === undefined || to.length > 2 || from[0] !== from[1] || to[0] !== to[1]) {
          fail('a range goes from one character to another', dash)
        }
        if (low > high) fail('the range is backwards', dash)
        ranges.push(low, high)
      } else ranges.push(...from)
    }
    const sorted = normalise(ranges)
    if (sorted.length === 0) fail('the class is empty', start)
    return negated ? complement(sorted) : sorted
  }

  /** One member of a class, or undefined at its end. */
  function member(start: number): Ranges | undefined {
    const place = at
    const char = points[at++]
    if (char === undefined) return fail('the class is not closed', start)
    if (char === ']') return undefined
    if (char === '\\') return escaped(place)
    // POSIX gives `[[:alpha:]]` a meaning that the others do not; refuse rather than guess.
    if (char === '[') return fail("'[' in a class must be written '\\['", place)
    const point = char.codePointAt(0) ?? 0
    return [point, point]
  }

  function quantified(body: Expression): Expression {
    const start = at
    const char = peek()
    let min = 0
    let max = Number.POSITIVE_INFINITY
    if (char === '*') at++
    else if (char === '+') {
      at++
      min = 1
    } else if (char === '?') {
      at++
      max = 1
    } else if (char === '{') {
      at++
      min = count()
      max = min
      if (peek() === ',') {
        at++
        max = peek() === '}' ? Number.POSITIVE_INFINITY : count()
      }
      if (points[at++] !== '}') fail('the repeat is not closed', start)
      if (max < min) fail('the repeat is backwards', start)
    } else return body
    if (body.kind === 'assert') fail('an anchor cannot repeat', start)
    // Whether a repeat is lazy does not change if there is a match.
    if (peek() === '?') at++
    if (peek() !== undefined && '*+?{'.includes(peek() ?? '')) fail('two repeats in a row')
    return { kind: 'repeat', body, min, max }
  }

  function count(): number {
    const start = at
    let digits = ''
    while (digits.length < 4 && /[0-9]/.test(peek() ?? '')) digits += points[at++] ?? ''
    if (digits === '') fail('a number is expected')
    if (Number(digits) > MAX_REPEAT) fail(`at most ${MAX_REPEAT} repeats`, start)
    return Number(digits)
  }

  const expression = choice(0)
  if (at < points.length) fail("the ')' closes nothing")
  return expression
}

/** `budget` counts visits, not instructions: `((){255}){255}` writes none and would still take for ever. */
function emit(expression: Expression, program: Instruction[], budget: { left: number }): void {
  if (--budget.left < 0) throw new PatternError('the pattern is too large with its repeats written out', 0)
  switch (expression.kind) {
    case 'set':
      program.push({ op: 'set', ranges: expression.ranges })
      return
    case 'assert':
      program.push({ op: 'assert', assertion: expression.assertion })
      return
    case 'sequence':
      for (const part of expression.parts) emit(part, program, budget)
      return
    case 'choice': {
      const ends: { to: number }[] = []
      for (const [index, part] of expression.parts.entries()) {
        if (index === expression.parts.length - 1) {
          emit(part, program, budget)
          break
        }
        const split = { op: 'split' as const, to: program.length + 1, or: 0 }
        program.push(split)
        emit(part, program, budget)
        const end = { op: 'jump' as const, to: 0 }
        program.push(end)
        ends.push(end)
        split.or = program.length
      }
      for (const end of ends) end.to = program.length
      return
    }
    case 'repeat': {
      for (let i = 0; i < expression.min; i++) emit(expression.body, program, budget)
      if (expression.max === Number.POSITIVE_INFINITY) {
        const split = { op: 'split' as const, to: program.length + 1, or: 0 }
        const start = program.length
        program.push(split)
        emit(expression.body, program, budget)
        program.push({ op: 'jump', to: start })
        split.or = program.length
        return
      }
      const splits: { or: number }[] = []
      for (let i = expression.min; i < expression.max; i++) {
        const split = { op: 'split' as const, to: program.length + 1, or: 0 }
        program.push(split)
        splits.push(split)
        emit(expression.body, program, budget)
      }
      for (const split of splits) split.or = program.length
    }
  }
}

/** What came before a place in the text, as far as anchors ask. */
type Before = 'start' | 'word' | 'other'

/** All that the rest of the text depends on: the states to go on from, and what came before. */
interface Situation {
  readonly states: readonly number[]
  readonly before: Before
  /** The situation after each ASCII character, as far as it was met. */
  readonly after: (Situation | 'match' | undefined)[]
  /** Whether the text may end here; undefined when it never did. */
  isMatchAtEnd: boolean | undefined
}

/**
 * Follows every state at once, so that a character costs at most one visit of each. Situations met are kept, up to a
 * bound, with what follows them: an evaluation matches thousands of short values that look alike.
 */
function searcher(program: readonly Instruction[]): (text: string) => boolean {
  const start: Situation = { states: [], before: 'start', after: [], isMatchAtEnd: undefined }
  const known = new Map<string, Situation>()
  /** The advance in which each state was last entered. */
  const entered = new Float64Array(program.length)
  let advances = 0

  function advance(from: Situation, here: number | undefined): Situation | 'match' {
    advances++
    // A match may begin anywhere.
    const open = [...from.states, 0]
    const next: number[] = []
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      if (entered[index] === advances) continue
      entered[index] = advances
      const instruction = program[index]
      if (instruction === undefined || instruction.op === 'match') return 'match'
      if (instruction.op === 'set') {
        if (here !== undefined && contains(instruction.ranges, here)) next.push(index + 1)
      } else if (instruction.op === 'jump') open.push(instruction.to)
      else if (instruction.op === 'split') open.push(instruction.or, instruction.to)
      else if (holds(instruction.assertion, from.before, here)) open.push(index + 1)
    }
    return intern(
      [...next].sort((a, b) => a - b),
      isWord(here) ? 'word' : 'other',
    )
  }

  function intern(states: readonly number[], before: Before): Situation {
    const key = `${before} ${states.join()}`
    const found = known.get(key)
    if (found) return found
    const made: Situation = { states, before, after: [], isMatchAtEnd: undefined }
    if (known.size < MAX_SITUATIONS) known.set(key, made)
    return made
  }

  return (text) => {
    let at = start
    for (let offset = 0; offset < text.length; ) {
      const here = text.codePointAt(offset) ?? 0
      let next = here < 128 ? at.after[here] : undefined
      if (next === undefined) {
        next = advance(at, here)
        // Past the bound situations are not kept, and nothing may hold on to them.
        if (here < 128 && known.size < MAX_SITUATIONS) at.after[here] = next
      }
      if (next === 'match') return true
      at = next
      offset += here > 0xffff ? 2 : 1
    }
    at.isMatchAtEnd ??= advance(at, undefined) === 'match'
    return at.isMatchAtEnd
  }
}

function holds(assertion: Assertion, before: Before, here: number | undefined): boolean {
  switch (assertion) {
    case 'start':
      return before === 'start'
    case 'end':
      return here === undefined
    default: {
      const isBorder = (before === 'word') !== isWord(here)
      return assertion === 'word-border' ? isBorder : !isBorder
    }
  }
}

function isWord(point: number | undefined): boolean {
  return point !== undefined && contains(WORD, point)
}

function contains(ranges: Ranges, point: number): boolean {
  for (let i = 0; i < ranges.length; i += 2) {
    // In bounds: ranges come in pairs.
    if (point < (ranges[i] ?? 0)) return false
    if (point <= (ranges[i + 1] ?? 0)) return true
  }
  return false
}

function normalise(ranges: Ranges): Ranges {
  const pairs: (readonly [number, number])[] = []
  for (let i = 0; i < ranges.length; i += 2) pairs.push([ranges[i] ?? 0, ranges[i + 1] ?? 0])
  pairs.sort((a, b) => a[0] - b[0])
  const result: number[] = []
  for (const [from, to] of pairs) {
    const last = result.length - 1
    const end = result[last]
    if (end !== undefined && from <= end + 1) result[last] = Math.max(end, to)
    else result.push(from, to)
  }
  return result
}

function complement(ranges: Ranges): Ranges {
  const result: number[] = []
  let from = 0
  for (let i = 0; i < ranges.length; i += 2) {
    const low = ranges[i] ?? 0
    if (low > from) result.push(from, low - 1)
    from = (ranges[i + 1] ?? 0) + 1
  }
  if (from <= LAST) result.push(from, LAST)
  return result
}
