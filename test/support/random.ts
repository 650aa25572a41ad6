/** Seeded random numbers, so that a failing run can be repeated. */

export interface Random {
  /** A whole number from 0 up to, not including, `below`. */
  int(below: number): number
  pick<T>(from: readonly T[]): T
}

/** The generator mulberry32: small, and good enough to choose test inputs. */
export function random(seed: number): Random {
  let state = seed >>> 0
  const int = (below: number) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
  return {
    int,
    pick(from) {
      const chosen = from[int(from.length)]
      if (chosen === undefined) throw new Error('nothing to pick from')
      return chosen
    },
  }
}

/** How many rounds a property or fuzz test runs: `usual`, or so many times that under SACM_LONG=1. */
export function rounds(usual: number, longTimes = 50): number {
  return process.env['SACM_LONG'] === '1' ? usual * longTimes : usual
}
