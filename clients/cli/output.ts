/** What commands print: tables and text for people, one JSON value for scripts, progress on a terminal's stderr. */

import { stripVTControlCharacters, styleText } from 'node:util'

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

/** Left-aligned columns, as wide as their content; nothing but the heading when there are no rows. */
export function printTable(heading: readonly string[], rows: readonly (readonly string[])[]): void {
  const clean = rows.map((row) => row.map(printable))
  const widths = heading.map((title, column) =>
    Math.max(title.length, ...clean.map((row) => stripVTControlCharacters(row[column] ?? '').length)),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map(
        (cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - stripVTControlCharacters(cell).length)),
      )
      .join('  ')
      .trimEnd()
  print(paint('bold', line(heading)))
  for (const row of clean) print(line(row))
}

/**
 * A value that came over the wire, safe to show: control characters would otherwise drive the terminal.
 * Colour sequences of our own survive only in cells that `paint` made, so those are left alone here.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for; ESC [ … m is our own colour
  return text.replaceAll(/\u001b(?!\[[0-9;]*m)|[\u0000-\u001a\u001c-\u001f\u007f-\u009f]/g, '\ufffd')
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
