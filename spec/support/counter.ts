import { MessageRequest } from '../../lib/accept/request/message-request.ts'
import type { Settlement } from '../../lib/outcome.ts'
import { BaseServer } from '../../lib/server/base.ts'

/** A server that hands out what is put on it, keeps the errors it is told of and prints nothing. */
export class Counter extends BaseServer<MessageRequest> {
  readonly errors: unknown[] = []
  /** Packets that were handed out. */
  readonly pulled: string[] = []
  /** How each of them ended. */
  readonly ended = new Map<string, Settlement['status']>()
  readonly #laid: string[] = []
  #asked: ((request: MessageRequest) => void) | undefined

  /** Put some on it. */
  put(...packets: string[]): void {
    this.#laid.push(...packets)
    const asked = this.#asked
    if (asked === undefined || this.#laid.length === 0) return
    this.#asked = undefined
    asked(this.#next())
  }

  /** Whether somebody waits for a request. */
  get asked(): boolean {
    return this.#asked !== undefined
  }

  override getRequest(): MessageRequest | Promise<MessageRequest> {
    if (this.#laid.length > 0) return this.#next()
    return new Promise((resolve) => {
      this.#asked = resolve
    })
  }

  override handleError(error: unknown): void {
    this.errors.push(error)
  }

  protected override get waiting(): number {
    return this.#laid.length
  }

  #next(): MessageRequest {
    const packet = this.#laid.shift() as string
    this.pulled.push(packet)
    return new MessageRequest({ server: this, packet, release: ({ status }) => this.ended.set(packet, status) })
  }
}
