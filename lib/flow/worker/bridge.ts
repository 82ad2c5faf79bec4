import { toError } from '../../outcome.ts'
import type { Request } from '../../request.ts'
import { recordError } from './error-record.ts'
import { bridgeWindow } from './messages.ts'
import type { Messenger } from './messenger.ts'

/**
 * The pool's end of a connection whose socket can't be passed: its bytes go to the worker as messages, and come back. In
 * each direction no more is under way than the window: whoever does not read holds up whoever sends, as by a socket.
 */
export class ParentBridge {
  readonly #id: number
  readonly #worker: Messenger
  readonly #request: Request
  #credit = bridgeWindow
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
    void this.#pump()
  }

  /** Bytes of the worker's. */
  data(bytes: Uint8Array): void {
    this.#writing = this.#writing.then(async () => {
      if (this.#isOver) return
      try {
        await this.#request.wfile.write(bytes)
      } catch {
        // The peer has gone: the request is aborted then, and the worker hears of that.
        return
      }
      this.#worker.send({ type: 'credit', id: this.#id, bytes: bytes.length })
    })
  }

  /** The worker has ended its output. */
  ended(): void {
    this.hasEnded = true
    this.#writing = this.#writing.then(() => this.#request.wfile.end().catch(() => {}))
  }

  /** The worker has taken so many bytes. */
  credit(bytes: number): void {
    this.#credit += bytes
    this.#creditCame?.()
    this.#creditCame = undefined
  }

  /** Settles when all that has come of the worker was written. */
  drained(): Promise<void> {
    return this.#writing
  }

  /** Nobody serves the request any more. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#creditCame?.()
    // What the worker waits for, once it has closed its end.
    this.#worker.send({ type: 'end', id: this.#id })
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
