import type { Outlet, Sender } from '../../lib/bytes/stream-writer.ts'
import type { LimitExceededError } from '../../lib/errors.ts'

/** What a writer has handed over in one go. */
export interface Sent {
  readonly chunks: readonly Uint8Array[]
  readonly bytes: number
  readonly text: string
}

/** A way out that leaves when it is told to. */
export class FakeOutlet implements Outlet {
  readonly sends: Sent[] = []
  readonly overflows: LimitExceededError[] = []
  readonly losses: Error[] = []
  finishes = 0
  /** Send at once, as a socket with room does, instead of when told. */
  atOnce = false
  /** What goes wrong where it sends at once. */
  error: Error | undefined
  #sender: Sender | undefined
  #finished: ((error?: Error | null) => void) | undefined

  /** Whether a send is under way. */
  get busy(): boolean {
    return this.#sender !== undefined
  }

  /** All that was handed over. */
  get text(): string {
    return this.sends.map(({ text }) => text).join('')
  }

  send(chunks: readonly Uint8Array[], bytes: number, sender: Sender): void {
    if (this.busy) throw new Error('two sends at once')
    this.sends.push({ chunks, bytes, text: Buffer.concat(chunks).toString('latin1') })
    if (this.atOnce) sender.sent(this.error)
    else this.#sender = sender
  }

  finish(finished: (error?: Error | null) => void): void {
    if (this.busy) throw new Error('finished with a send under way')
    this.finishes++
    this.#finished = finished
  }

  overflow(error: LimitExceededError): void {
    this.overflows.push(error)
  }

  lost(error: Error): void {
    this.losses.push(error)
  }

  /** The kernel has it, or not. */
  sent(error?: Error): void {
    const sender = this.#sender
    this.#sender = undefined
    if (sender === undefined) throw new Error('nothing is being sent')
    sender.sent(error)
  }

  /** The end has left, or not. */
  finished(error?: Error): void {
    if (this.#finished === undefined) throw new Error('nothing was finished')
    this.#finished(error)
  }
}
