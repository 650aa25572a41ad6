/** passwd(5), group(5) and shadow(5): lines of fields between colons. */

/**
 * One line that glibc would read as an entry, or why it would not. The label is the name, with `#2` at its second line:
 * such a line is seldom there for good and must not hide behind the first.
 */
export type Entry =
  | { readonly ok: true; readonly name: string; readonly label: string; readonly fields: readonly string[] }
  | { readonly ok: false; readonly line: number; readonly name: string; readonly reason: string }

/**
 * @param fieldCount  fields of a whole line
 * @param numbers  places of fields that must be decimal numbers
 */
export function parseEntries(text: string, fieldCount: number, numbers: readonly number[] = []): Entry[] {
  const seen = new Map<string, number>()
  return text.split('\n').flatMap((raw, index): Entry[] => {
    const line = index + 1
    // Blank lines and comments are skipped by every reader of these files.
    if (raw.trim() === '' || raw.trimStart().startsWith('#')) return []
    const fields = raw.split(':')
    const name = fields[0] ?? ''
    const bad = (reason: string): Entry[] => [{ ok: false, line, name, reason: `line ${line}: ${reason}` }]
    if (name.startsWith('+') || name.startsWith('-')) return bad('NIS entry, which is not followed')
    if (fields.length !== fieldCount) return bad(`${fields.length} fields instead of ${fieldCount}`)
    if (name === '') return bad('no name')
    const wrong = numbers.find((place) => !/^\d{1,10}$/.test(fields[place] ?? ''))
    if (wrong !== undefined) return bad(`field ${wrong + 1} is not a number`)
    const count = (seen.get(name) ?? 0) + 1
    seen.set(name, count)
    return [{ ok: true, name, label: count > 1 ? `${name}#${count}` : name, fields }]
  })
}

/** Id to name, the first that has it, as getpwuid and getgrgid answer. */
export function namesById(text: string, fieldCount: number): ReadonlyMap<number, string> {
  const names = new Map<number, string>()
  for (const entry of parseEntries(text, fieldCount, [2])) {
    const id = entry.ok ? Number(entry.fields[2]) : undefined
    if (entry.ok && id !== undefined && !names.has(id)) names.set(id, entry.name)
  }
  return names
}
