import type { Stats } from 'it-socketserver'
import type { Counts } from './ledger.ts'
import type { ClientEnd } from './stream-client.ts'
import type { Excuse } from './windows.ts'

const kept = 40

function add(counts: Record<string, number>, name: string, by = 1): void {
  counts[name] = (counts[name] ?? 0) + by
}

/** What was done and what came of it, in numbers, and all that went wrong */
export class Totals {
  deployments = 0
  readonly clients: Record<string, number> = {}
  readonly ends: Record<ClientEnd, number> = { whole: 0, cut: 0, wrong: 0, stuck: 0, unreached: 0 }
  readonly faults: Record<string, number> = {}
  /** What went on while clients that did nothing wrong were cut off */
  readonly excuses: Partial<Record<Excuse, number>> = {}
  readonly servers: Record<string, number> = {}
  readonly refusedBy: Record<string, number> = {}
  readonly droppedBy: Record<string, number> = {}
  readonly abortedBy: Record<string, number> = {}
  readonly failures = new Map<string, number>()

  /** Is told of each sort of failure as soon as there is one */
  onFailure: (text: string) => void = () => {}

  get failed(): boolean {
    return this.failures.size > 0
  }

  /** For those who watch */
  get inWords(): string {
    const sum = (counts: Readonly<Record<string, number>>): string =>
      Object.values(counts)
        .reduce((total, count) => total + count, 0)
        .toLocaleString('en')
    return `${sum(this.clients)} clients, ${sum(this.faults)} faults, ${this.deployments} closes, ${this.failures.size} failures`
  }

  client(manner: string, end: ClientEnd): void {
    add(this.clients, manner)
    this.ends[end]++
  }

  fault(name: string): void {
    add(this.faults, name)
  }

  excuse(excuse: Excuse): void {
    add(this.excuses, excuse)
  }

  server(stats: Stats, counts: Counts, lostInKernel: number): void {
    const { accepted, served, failed, refused, dropped, bytesIn, bytesOut } = stats
    const { starts, frameStarts, handshakes, undelivered } = counts
    const numbers = {
      accepted,
      served,
      failed,
      refused,
      dropped,
      bytesIn,
      bytesOut,
      starts,
      frameStarts,
      handshakes,
      undelivered,
      lostInKernel
    }
    for (const [name, count] of Object.entries(numbers)) add(this.servers, name, count)
    for (const [reason, count] of Object.entries(stats.refusedBy)) add(this.refusedBy, reason, count)
    for (const [reason, count] of Object.entries(stats.droppedBy)) add(this.droppedBy, reason, count)
    for (const [cause, count] of Object.entries(counts.aborted)) add(this.abortedBy, cause, count)
  }

  fail(text: string): void {
    const sort = text.replaceAll(/\d+/g, '#')
    const same = [...this.failures.keys()].find((known) => known.replaceAll(/\d+/g, '#') === sort)
    if (same !== undefined) this.failures.set(same, (this.failures.get(same) ?? 0) + 1)
    else if (this.failures.size < kept) {
      this.failures.set(text, 1)
      this.onFailure(text)
    }
  }
}
