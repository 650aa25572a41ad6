/** What commands print: tables and text for people, one JSON value for scripts, progress on a terminal's stderr. */

import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/** Colours when stdout is a terminal that takes them, plain text otherwise (NO_COLOR is honoured). */
export function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout, validateStream: true })
}

export function print(line = ''): void {
  process.stdout.write(`${line}\n`)
}

/** One JSON value on stdout, for scripts. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, process.stdout.isTTY ? 2 : 0)}\n`)
}

/** A cell of a table: text as it came, and the style to show it in. */
export type Cell = string | { readonly text: string; readonly style: Style }

/** Left-aligned columns, as wide as their content. What came over the wire is made safe to show, then painted. */
export function printTable(heading: readonly string[], rows: readonly (readonly Cell[])[]): void {
  const clean = rows.map((row) =>
    row.map((cell) => (typeof cell === 'string' ? { text: printable(cell) } : { ...cell, text: printable(cell.text) })),
  )
  const widths = heading.map((title, column) =>
    Math.max(title.length, ...clean.map((row) => row[column]?.text.length ?? 0)),
  )
  const line = (cells: readonly { readonly text: string; readonly style?: Style }[]): string =>
    cells
      .map(
        ({ text, style }, column) =>
          (style ? paint(style, text) : text) + ' '.repeat(Math.max(0, (widths[column] ?? 0) - text.length)),
      )
      .join('  ')
      .trimEnd()
  print(line(heading.map((text) => ({ text, style: 'bold' }))))
  for (const row of clean) print(line(row))
}

/** A text that came over the wire, safe to show: control characters would otherwise drive the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '\ufffd')
}

/** Between two lines of progress where they cannot be rewritten in place. */
const QUIET_MS = 2000

/**
 * What is going on, on stderr: one line that is rewritten on a terminal, elsewhere each new step and then a line every
 * two seconds.
 */
export class Progress {
  readonly #isTerminal = process.stderr.isTTY === true
  readonly #isSilent: boolean
  readonly #started = Date.now()
  #shownAt: number | undefined

  constructor(isSilent = false) {
    this.#isSilent = isSilent
  }

  /** A new step. */
  step(text: string): void {
    this.#show(text)
  }

  /** How far the step is. */
  update(text: string): void {
    if (!this.#isTerminal && this.#shownAt !== undefined && Date.now() - this.#shownAt < QUIET_MS) return
    this.#show(text)
  }

  /** Leaves the terminal's line clean for what follows. */
  done(): void {
    if (this.#shownAt !== undefined && this.#isTerminal) process.stderr.write('\r\u001b[K')
    this.#shownAt = undefined
  }

  #show(text: string): void {
    if (this.#isSilent) return
    const now = Date.now()
    const line = `${((now - this.#started) / 1000).toFixed(1).padStart(5)} s  ${printable(text)}`
    process.stderr.write(this.#isTerminal ? `\r\u001b[K${line}` : `${line}\n`)
    this.#shownAt = now
  }
}

/** `3 min ago`, `2026-11-22 14:03`. */
export function ago(time: number, now = Date.now()): string {
  const seconds = Math.round((now - time) / 1000)
  if (seconds < 60) return `${Math.max(0, seconds)} s ago`
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`
  return new Date(time).toISOString().slice(0, 16).replace('T', ' ')
}
