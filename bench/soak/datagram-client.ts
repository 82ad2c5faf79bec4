import { setTimeout as pause } from 'node:timers/promises'
import { type Mailbox, openMailbox } from './mailbox.ts'
import type { Payloads } from './payload.ts'
import type { Random } from './random.ts'
import type { ClientEnd } from './stream-client.ts'
import { hasWorkers, type Subject } from './subject.ts'
import type { Target } from './target.ts'

/** How a client of datagrams behaves; the first does nothing wrong and must get all its answers */
export type DatagramManner = 'exchange' | 'too large' | 'vanish' | 'throw' | 'hang' | 'exit'

const idBytes = 8
const tooLarge = 55_000
const patience = 15_000
const excusedPatience = 8_000
const silence = 300

export interface DatagramPlan {
  readonly manner: DatagramManner
  readonly honest: boolean
  readonly packets: readonly Buffer[]
  /** How many it sends before it wants an answer */
  readonly together: number
}

let lastId = 0n

export function planDatagrams(subject: Subject, random: Random, payloads: Payloads, largest?: number): DatagramPlan {
  const manner = random.weighted<DatagramManner>({
    exchange: 40,
    'too large': largest === undefined ? 2 : 0,
    vanish: 5,
    throw: 4,
    hang: 3,
    exit: hasWorkers(subject) ? 1 : 0
  })
  const letter = { exchange: 'e', 'too large': 'e', vanish: 'e', throw: 't', hang: 'h', exit: 'x' }[manner]
  const packet = (size: number): Buffer => {
    const head = Buffer.alloc(1 + idBytes)
    head.write(letter, 'latin1')
    head.writeBigUInt64LE(++lastId, 1)
    return Buffer.concat([head, payloads.bytes(random, size)])
  }
  const honest = manner === 'exchange'
  // All that is under way at a time has to fit in the kernel's buffer of 208 KiB.
  if (largest !== undefined) return { manner, honest, packets: [packet(random.size(1, largest))], together: 1 }
  if (manner === 'too large') return { manner, honest, packets: [packet(tooLarge)], together: 1 }
  if (random.chance(1 / 20)) return { manner, honest, packets: [packet(random.size(4_000, 40_000))], together: 1 }
  const packets = Array.from({ length: honest ? random.integer(1, 12) : random.integer(1, 3) }, () =>
    packet(random.size(1, 3_000))
  )
  return { manner, honest, packets, together: random.integer(1, 4) }
}

/** A client that sends datagrams as it is planned, and looks at every answer */
export class DatagramClient {
  readonly #plan: DatagramPlan
  readonly #mailbox: Mailbox
  readonly #missing = new Map<bigint, Buffer>()
  #wrong = false
  #heard: (() => void) | undefined
  /** Datagrams that were not answered */
  unanswered = 0
  error: string | undefined

  constructor(isUnix: boolean, plan: DatagramPlan) {
    this.#plan = plan
    this.#mailbox = openMailbox(isUnix, (bytes) => this.#came(bytes))
  }

  /**
   * @param target - who serves now
   * @param isExcused - whether an answer may be missing since a moment
   */
  async run(target: () => Target, isExcused: (since: number) => boolean): Promise<ClientEnd> {
    const { manner, packets, together, honest } = this.#plan
    try {
      for (let at = 0; at < packets.length; at += together) {
        const since = performance.now()
        const group = packets.slice(at, at + together)
        const server = target()
        server.clients++
        try {
          for (const packet of group) await this.#send(packet, server)
          if (manner === 'vanish') break
          const all = await this.#answers(honest, since, isExcused)
          if (this.#wrong) return 'wrong'
          if (!honest) continue
          if (all !== 'all') {
            this.unanswered += this.#missing.size
            this.#missing.clear()
            return all === 'stuck' ? 'stuck' : 'cut'
          }
          for (const { length } of group) {
            server.wholeIn += length
            server.wholeOut += length
          }
        } finally {
          server.clients--
        }
      }
      return honest ? 'whole' : 'cut'
    } finally {
      this.#mailbox.close()
    }
  }

  async #send(packet: Buffer, server: Target): Promise<void> {
    if (this.#plan.honest) this.#missing.set(packet.readBigUInt64LE(1), packet)
    server.arriving++
    server.sent += packet.length
    const left = await this.#mailbox.send(packet, server.address)
    server.arriving--
    if (left) server.arrived++
    else this.error = 'it could not be sent'
  }

  async #answers(
    honest: boolean,
    since: number,
    isExcused: (since: number) => boolean
  ): Promise<'all' | 'missing' | 'stuck'> {
    if (!honest) {
      // Nothing should come.
      await pause(silence)
      return 'all'
    }
    while (this.#missing.size > 0 && !this.#wrong) {
      const late = performance.now() - since
      if (late > excusedPatience && isExcused(since)) return 'missing'
      if (late > patience) return 'stuck'
      await Promise.race([
        new Promise<void>((resolve) => {
          this.#heard = resolve
        }),
        pause(200)
      ])
    }
    return 'all'
  }

  #came(bytes: Buffer): void {
    if (this.#plan.manner === 'vanish') return
    const id = bytes.length > idBytes ? bytes.readBigUInt64LE(1) : 0n
    // The port may have been another's, who has left.
    if (!this.#plan.packets.some((packet) => packet.readBigUInt64LE(1) === id)) return
    const wanted = this.#missing.get(id)
    if (wanted?.equals(bytes) !== true) this.#wrong = true
    this.#missing.delete(id)
    this.#heard?.()
  }
}
