import { BaseServer, MessageRequest } from 'it-socketserver'

// The clock costs more than the question whether it is time to look at it.
const between = 64

/** A server of requests that come from nowhere, one behind the other until the time is over */
export class EmptyRequests extends BaseServer<MessageRequest> {
  readonly #until: number
  readonly #atEnd: () => void
  #count = 0

  /** `atEnd` is called once: when no further request comes */
  constructor(seconds: number, atEnd: () => void = () => {}) {
    super()
    this.#until = performance.now() + seconds * 1e3
    this.#atEnd = atEnd
  }

  /** Requests that were asked for so far */
  get count(): number {
    return this.#count
  }

  override getRequest(): MessageRequest | undefined {
    if (this.#count % between === 0 && performance.now() >= this.#until) {
      this.#atEnd()
      return undefined
    }
    this.#count++
    return new MessageRequest({ server: this, packet: '' })
  }
}
