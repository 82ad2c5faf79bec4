import { Lateness } from './lateness.ts'
import { tellNotes } from './notes.ts'
import { OwnCPU } from './own-cpu.ts'

/**
 * The work of a server under a flood, the same for ours and its rivals: it adds up counters, as statsd does
 * (`name:value|c`), and notes what that comes to.
 */
export class Counters {
  readonly #counters = new Map<string, number>()
  #served = 0

  add(packet: Buffer): void {
    const text = packet.toString('latin1')
    const colon = text.indexOf(':')
    const name = text.slice(0, colon)
    this.#counters.set(name, (this.#counters.get(name) ?? 0) + Number(text.slice(colon + 1, text.indexOf('|', colon))))
    this.#served++
  }

  /** Begins to note how late timers are, what was served, and what it cost */
  note(): void {
    const lateness = new Lateness()
    const own = new OwnCPU()
    tellNotes(() => {
      const { seconds, cpu } = own.take()
      const served = this.#served
      this.#served = 0
      return { lateness: lateness.take(), served: [served / seconds], cpu: [(cpu / Math.max(1, served)) * 1e6] }
    })
  }
}
