import { StreamRequest } from '../../accept/stream/stream-request.ts'
import { toError } from '../../outcome.ts'
import type { Request } from '../../request.ts'
import { recordError } from './error-record.ts'
import { bridgeWindow, type CreditMessage, type DataMessage, type EndMessage } from './messages.ts'
import type { Messenger } from './messenger.ts'

const always = (): boolean => true

/**
 * The pool's end of a connection whose socket can't be passed: its bytes go to the worker as messages, and come back. In
 * each direction no more is under way than the window: whoever does not read holds up whoever sends, as by a socket.
 */
export class ParentBridge {
  readonly #id: number
  readonly #worker: Messenger
  readonly #request: Request
  #credit = bridgeWindow
  // Bytes that the worker may send before it is told of more.
  #room = bridgeWindow
  #creditCame: (() => void) | undefined
  #writing: Promise<void> = Promise.resolve()
  #isOver = false
  /** Whether the worker has ended its output. */
  hasEnded = false

  /**
   * @param id - of the request
   * @param worker - who serves it
   * @param request - whose bytes they are
   */
  constructor(id: number, worker: Messenger, request: Request) {
    this.#id = id
    this.#worker = worker
    this.#request = request
  }

  /** Begin to send what comes. */
  begin(): void {
    this.#watch(false)
    void this.#pump()
  }

  /**
   * The worker says something of the bytes.
   *
   * @returns false where it must not: it sends more than it was let, and nothing would bound what waits, or has taken what
   * it was not sent
   */
  heard(message: DataMessage | EndMessage | CreditMessage): boolean {
    switch (message.type) {
      case 'data':
        return this.#data(message.bytes)
      case 'end':
        this.#ended()
        return true
      case 'credit':
        return this.#credited(message.bytes)
    }
  }

  /** Settles when all that has come of the worker was written. */
  drained(): Promise<void> {
    return this.#writing
  }

  /** Nobody serves the request any more. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#watch(true)
    this.#creditCame?.()
    // What the worker waits for, once it has closed its end.
    this.#worker.send({ type: 'end', id: this.#id })
  }

  #data(bytes: Uint8Array): boolean {
    const size = bytes.length
    if (size > this.#room || this.hasEnded) return false
    if (size === 0) return true
    this.#room -= size
    this.#writing = this.#writing.then(async () => {
      if (this.#isOver) return
      try {
        await this.#request.wfile.write(bytes)
      } catch {
        // The peer has gone: the request is aborted then, and the worker hears of that.
        return
      }
      this.#room += size
      this.#worker.send({ type: 'credit', id: this.#id, bytes: size })
    })
    return true
  }

  #ended(): void {
    if (this.hasEnded) return
    this.hasEnded = true
    this.#writing = this.#writing.then(() => this.#request.wfile.end().catch(() => {}))
  }

  #credited(bytes: number): boolean {
    if (this.#credit + bytes > bridgeWindow) return false
    this.#credit += bytes
    this.#creditCame?.()
    this.#creditCame = undefined
    return true
  }

  // What is read here is read ahead: whether the handler waits for it only its worker sees.
  #watch(isOurs: boolean): void {
    if (this.#request instanceof StreamRequest) this.#request.readsAhead = isOurs ? undefined : always
  }

  async #pump(): Promise<void> {
    const { rfile } = this.#request
    try {
      while (!this.#isOver) {
        if (this.#credit <= 0) {
          await new Promise<void>((resolve) => {
            this.#creditCame = resolve
          })
          continue
        }
        const bytes = await rfile.read(this.#credit)
        if (this.#isOver) return
        if (bytes === undefined) {
          this.#worker.send({ type: 'end', id: this.#id })
          return
        }
        this.#credit -= bytes.length
        this.#worker.send({ type: 'data', id: this.#id, bytes })
      }
    } catch (error) {
      if (!this.#isOver) this.#worker.send({ type: 'cut', id: this.#id, error: recordError(toError(error)) })
    }
  }
}
