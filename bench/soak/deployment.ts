import { readFileSync } from 'node:fs'
import type { Address } from 'it-socketserver'
import { audit } from './audit.ts'
import { type AnyServer, type Built, buildServer } from './build-server.ts'
import { type Ledger, openLedger } from './ledger.ts'
import type { Closed, Orders } from './orders.ts'
import type { Subject } from './subject.ts'
import { Watch } from './watch.ts'

const lateEnds = 3_000

/** A server that serves, with the ledger of its events */
export class Deployment {
  readonly #subject: Subject
  readonly #built: Built
  readonly #ledger: Ledger
  #turnsAway = false
  #serving: Promise<unknown> = Promise.resolve()

  constructor(details: Orders['deploy'][0]) {
    this.#subject = details.subject
    const watch = new Watch((text) => this.#ledger.complain(text))
    this.#built = buildServer(details, watch)
    this.#ledger = openLedger(this.server)
    // What goes wrong is told by its event.
    Object.assign(this.server, { handleError: () => {}, verifyRequest: () => !this.#turnsAway })
  }

  get server(): AnyServer {
    return this.#built.server
  }

  async listen(): Promise<Address> {
    await this.server.listen()
    this.#serving = this.#built.serve().catch((error: unknown) => {
      this.#ledger.complain(
        `Serving has ended with ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
      )
    })
    return this.server.address as Address
  }

  turnAway(everybody: boolean): void {
    this.#turnsAway = everybody
  }

  async close(deadline: number): Promise<Closed> {
    const { server } = this
    const lostInKernel = this.#subject.transport === 'udp' ? kernelDrops(server.address as Address) : 0
    const { finished, aborted, refused, stillOpen } = await server.close({ deadline })
    if (aborted !== stillOpen.length)
      this.#ledger.complain(`The report names ${stillOpen.length} of ${aborted} aborted`)
    if (deadline > 10_000) {
      for (const { clientAddress, age, bytesIn, bytesOut } of stillOpen) {
        const address = JSON.stringify(clientAddress)
        this.#ledger.complain(
          `At the deadline ${address} was open for ${Math.round(age)} ms, with ${bytesIn} in and ${bytesOut} out`
        )
      }
    }
    await this.#serving
    // A handler that was cut off may take a moment to notice.
    const since = performance.now()
    while (!this.#ledger.isEven && performance.now() - since < lateEnds)
      await new Promise((done) => setTimeout(done, 20))
    const stats = server.stats()
    const { counts, complaints } = this.#ledger
    return {
      stats,
      counts,
      lostInKernel,
      report: { finished, aborted, refused },
      complaints: [...complaints, ...audit(this.#subject, stats, counts)]
    }
  }
}

/** Datagrams that came while the buffer of a socket was full */
function kernelDrops(address: Address): number {
  if (!('port' in address)) return 0
  const port = `:${address.port.toString(16).toUpperCase().padStart(4, '0')}`
  const line = readFileSync('/proc/net/udp', 'latin1')
    .split('\n')
    .map((text) => text.trim().split(/\s+/))
    .find(([, local]) => local?.endsWith(port))
  return Number(line?.at(-1) ?? 0)
}
