/**
 * The regular expressions of policies, matched in time linear in the text.
 *
 * Patterns come from policy authors over the network, so a backtracking engine is no choice: `(a|a)*b` would hold the
 * thread for years. This is RE2's language and algorithm: no look-around, no back references, everything else as in
 * PCRE's common core. Matching is a search; anchor with `^` and `$` to match the whole.
 */

import { RE2JS, RE2JSException } from 're2js'

const MAX_PATTERN_LENGTH = 1024
/** Instructions of the compiled automaton: what one character of text may cost at most. */
const MAX_PROGRAM = 5000

/** A pattern that does not compile; the message quotes the part that is wrong. */
export class PatternError extends Error {
  override readonly name = 'PatternError'
}

export interface Pattern {
  /** True when the text holds a match anywhere. */
  test(text: string): boolean
}

/** @throws PatternError */
export function compilePattern(source: string): Pattern {
  if (source.length > MAX_PATTERN_LENGTH)
    throw new PatternError(`a pattern has at most ${MAX_PATTERN_LENGTH} characters`)
  const compiled = compile(source)
  if (compiled.programSize() > MAX_PROGRAM) throw new PatternError('the pattern is too large: repeat less')
  return { test: (text) => compiled.matcher(text).find() }
}

function compile(source: string): RE2JS {
  try {
    return RE2JS.compile(source)
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    throw new PatternError(error.message.replace('error parsing regexp: ', ''), { cause: error })
  }
}
