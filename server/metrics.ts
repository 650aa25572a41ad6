/**
 * What the server counts, for Prometheus and its like. Counting is adding to a number; the library that knows the
 * exposition format is loaded with the first scrape.
 */

import type { Registry } from 'prom-client'

export interface Counter {
  add(by?: number): void
}

/** Names as Prometheus wants them: `sacm_pubsub_items_pruned_total`, units in the name. */
export interface Metrics {
  /** Something that only grows. @throws Error when the name is taken */
  counter(name: string, help: string): Counter
  /** Something that only grows and is counted already. @throws Error when the name is taken */
  counterOf(name: string, help: string, read: () => number): void
  /** Something that is read when it is asked for. @throws Error when the name is taken */
  gauge(name: string, help: string, read: () => number): void
}

interface Metric {
  readonly kind: 'counter' | 'gauge'
  readonly name: string
  readonly help: string
  readonly read: () => number
}

export class MetricTable implements Metrics {
  readonly #metrics = new Map<string, Metric>()
  #registry: Promise<Registry> | undefined

  counter(name: string, help: string): Counter {
    let count = 0
    this.counterOf(name, help, () => count)
    return {
      add(by = 1) {
        count += by
      },
    }
  }

  counterOf(name: string, help: string, read: () => number): void {
    this.#add({ kind: 'counter', name, help, read })
  }

  gauge(name: string, help: string, read: () => number): void {
    this.#add({ kind: 'gauge', name, help, read })
  }

  /** All of them, and what the process itself uses, in the text format of Prometheus. */
  async exposition(): Promise<{ readonly contentType: string; readonly text: string }> {
    this.#registry ??= this.#fill()
    const registry = await this.#registry
    return { contentType: registry.contentType, text: await registry.metrics() }
  }

  #add(metric: Metric): void {
    if (this.#metrics.has(metric.name)) throw new Error(`there is a metric ${metric.name} already`)
    this.#metrics.set(metric.name, metric)
  }

  async #fill(): Promise<Registry> {
    const { collectDefaultMetrics, Counter, Gauge, Registry } = await import('prom-client')
    const registry = new Registry()
    collectDefaultMetrics({ register: registry })
    for (const { kind, name, help, read } of this.#metrics.values()) {
      const options = { name, help, registers: [registry] }
      if (kind === 'gauge') {
        new Gauge({
          ...options,
          collect() {
            this.set(read())
          },
        })
      } else {
        new Counter({
          ...options,
          collect() {
            this.reset()
            this.inc(read())
          },
        })
      }
    }
    return registry
  }
}
