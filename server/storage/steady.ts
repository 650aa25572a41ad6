/**
 * Keeps SQLite from compiling a prepared query anew at each run. Built with STAT4, as better-sqlite3 is, SQLite marks the
 * parameters whose values could change its plan (in joins, under ORDER BY, as LIMIT) and compiles again whenever one of
 * them is bound. It looks at bare parameters alone: under a unary plus, which changes no value and hides no index, they
 * are taken as unknown.
 */

/** Quoted text is left as it is, and so are patterns: an index serves GLOB only when its pattern is known. */
const PARAMETERS = /'[^']*'|"[^"]*"|`[^`]*`|\b(?:GLOB|LIKE)\s+\?|\?/gi

/** The same query with all its parameters `?` in the same places. */
export function steady(sql: string): string {
  return sql.replace(PARAMETERS, (found) => (found === '?' ? '+?' : found))
}
