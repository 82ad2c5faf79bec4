import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { connect as connectTLS } from 'node:tls'
import type { Address } from 'it-socketserver'
import type { StreamPlan } from './stream-plan.ts'
import type { Transport } from './subject.ts'
import type { Target } from './target.ts'

/** How it went for a client: `whole` got exactly what it should, `cut` less, `wrong` something else, `stuck` no end */
export type ClientEnd = 'whole' | 'cut' | 'wrong' | 'stuck' | 'unreached'

const patience = 60_000

/** A connection that behaves as it is planned, and looks at every byte that comes back */
export class StreamClient {
  readonly #target: Target
  readonly #plan: StreamPlan
  readonly #socket: Socket
  // Below the encryption; a Unix socket knows no reset.
  readonly #tcp: Socket | undefined
  readonly #expected: Buffer
  #arriving = true
  #hasArrived = false
  #received = 0
  #wrong = false
  #ended = false
  /** What went wrong with the socket, where something did */
  error: string | undefined
  #heard: (() => void) | undefined
  readonly #over: Promise<void>

  constructor(transport: Transport, target: Target, plan: StreamPlan, localAddress: string | undefined) {
    this.#target = target
    this.#plan = plan
    this.#expected = plan.honest || plan.payload.length > 0 ? plan.payload : Buffer.alloc(0)
    target.clients++
    target.arriving++
    const plain = plan.manner.endsWith('handshake')
    const { socket, tcp } = dial(plain ? 'tcp' : transport, target.address, localAddress, () => this.#arrived())
    this.#socket = socket
    this.#tcp = tcp
    socket.on('data', (bytes: Buffer) => this.#came(bytes))
    socket.on('end', () => {
      this.#ended = true
      this.#heard?.()
      // What is still to be sent nobody would read.
      if (this.#received < this.#expected.length || !plan.honest) socket.destroy()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message
    })
    if (plan.manner === 'late reader') socket.pause()
    this.#over = new Promise((resolve) => {
      const over = (): void => {
        this.#settle()
        this.#heard?.()
        resolve()
      }
      socket.once('close', over)
      // Not every encrypted socket hears that the one below it has gone.
      if (tcp === socket) return
      tcp?.once('close', () => {
        setTimeout(() => {
          socket.destroy()
          over()
        }, 1_000)
      })
    })
  }

  /** Whether the last line that came is a whole one */
  get hasWholeLines(): boolean {
    return this.#received === 0 || this.#expected[this.#received - 1] === 10
  }

  async run(): Promise<ClientEnd> {
    const timer = setTimeout(() => {
      this.error = 'stuck'
      this.#socket.destroy()
    }, patience)
    void this.#behave()
    await this.#over
    clearTimeout(timer)
    this.#target.clients--
    if (this.error === 'stuck') return 'stuck'
    if (this.#wrong) return 'wrong'
    const { payload, opening, honest } = this.#plan
    if (!honest || this.#received < this.#expected.length || !this.#ended) return this.#hasArrived ? 'cut' : 'unreached'
    this.#target.wholeIn += opening.length + payload.length
    this.#target.wholeOut += payload.length
    return 'whole'
  }

  #arrived(): void {
    this.#hasArrived = true
    this.#target.arrived++
    this.#settle()
    this.#heard?.()
  }

  #settle(): void {
    if (!this.#arriving) return
    this.#arriving = false
    this.#target.arriving--
  }

  #came(bytes: Buffer): void {
    const expected = this.#expected.subarray(this.#received, this.#received + bytes.length)
    const { manner } = this.#plan
    // A server that speaks TLS may tell by an alert what it thinks of that.
    if (manner.endsWith('handshake')) return
    if (!expected.equals(bytes)) this.#wrong = true
    this.#received += bytes.length
    this.#heard?.()
  }

  async #behave(): Promise<void> {
    const { manner, opening, payload, cuts, pauses, delay } = this.#plan
    const socket = this.#socket
    switch (manner) {
      case 'half-close':
        socket.end()
        return
      case 'no handshake':
        return
      case 'broken handshake':
        // The beginning of a hello
        this.#write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00]))
        await this.#until(() => this.#hasArrived)
        await pause(delay)
        socket.destroy()
        return
      case 'throw':
      case 'hang':
      case 'exit':
      case 'wrong handshake':
        this.#write(opening)
        return
      default:
        break
    }
    this.#write(opening)
    let at = 0
    for (const cut of [...cuts, payload.length]) {
      if (socket.destroyed) return
      this.#write(payload.subarray(at, cut))
      at = cut
      if (manner === 'turn by turn') await this.#until(() => this.#received >= cut)
      else if (socket.writableLength > 65_536 && manner !== 'late reader') await this.#drained()
      if (pauses > 0) await pause(pauses)
      if (cut === cuts[cuts.length >> 1] && (await this.#commit(manner, delay))) return
    }
    if (manner === 'late reader') {
      await pause(delay)
      socket.resume()
    }
    // Some end before they have their answer, some after it.
    if ((payload.length & 1) === 0) await this.#until(() => this.#received >= payload.length)
    socket.end()
  }

  /** Whether this was the end of it */
  async #commit(manner: string, delay: number): Promise<boolean> {
    if (manner === 'silence') {
      await this.#over
      return true
    }
    if (manner !== 'reset' && manner !== 'early close') return false
    // Else nobody knows whether it came to the server.
    await this.#until(() => this.#hasArrived)
    await pause(delay >> 3)
    if (manner === 'reset' && this.#tcp !== undefined) this.#reset(this.#tcp)
    else this.#socket.destroy()
    return true
  }

  #reset(tcp: Socket): void {
    // Node crashes where what encrypts goes in the same turn as what it stands on: that follows.
    tcp.resetAndDestroy()
  }

  #write(bytes: Buffer): void {
    this.#target.sent += bytes.length
    if (!this.#socket.destroyed) this.#socket.write(bytes)
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition() && !this.#socket.destroyed && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#heard = resolve
      })
    }
  }

  async #drained(): Promise<void> {
    await Promise.race([new Promise<void>((resolve) => this.#socket.once('drain', () => resolve())), this.#over])
  }
}

interface Dialled {
  readonly socket: Socket
  readonly tcp: Socket | undefined
}

function dial(transport: Transport, address: Address, localAddress: string | undefined, arrived: () => void): Dialled {
  if (!('port' in address)) {
    return { socket: connect({ path: address.path, allowHalfOpen: true }, arrived), tcp: undefined }
  }
  const { host, port } = address
  const to = { host, port, ...(localAddress === undefined ? {} : { localAddress }) }
  const tcp = connect({ ...to, allowHalfOpen: true }, arrived)
  tcp.setNoDelay()
  if (transport !== 'tls') return { socket: tcp, tcp }
  // Its own errors come by the encrypted one.
  tcp.on('error', () => {})
  return { socket: connectTLS({ socket: tcp, rejectUnauthorized: false }), tcp }
}
