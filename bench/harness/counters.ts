import { pbkdf2Sync } from 'node:crypto'
import { Lateness } from './lateness.ts'
import { tellNotes } from './notes.ts'
import { OwnCPU } from './own-cpu.ts'

const salt = 'it-socketserver'
const hash = 32

/**
 * The work of a server under a flood, the same for ours and its rivals: it adds up counters, as statsd does
 * (`name:value|c`), and notes what that comes to. Where rounds are wanted it also hashes each datagram so many times, as
 * one does who has to check a signature.
 */
export class Counters {
  readonly #counters = new Map<string, number>()
  readonly #rounds: number
  #served = 0

  constructor(rounds = 0) {
    this.#rounds = rounds
  }

  add(packet: Buffer): void {
    const text = packet.toString('latin1')
    const colon = text.indexOf(':')
    const name = text.slice(0, colon)
    this.#counters.set(name, (this.#counters.get(name) ?? 0) + Number(text.slice(colon + 1, text.indexOf('|', colon))))
    if (this.#rounds > 0) pbkdf2Sync(packet, salt, this.#rounds, hash, 'sha256')
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
