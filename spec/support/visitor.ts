import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { onTestFinished } from 'vitest'

/** A client of a test: it takes all that comes, and knows what has become of it. Destroyed after the test. */
export class Visitor {
  readonly socket: Duplex
  /** All that has come. */
  text = ''
  /** Whether the other side has ended or reset the connection. */
  isOver = false
  readonly #isTCP: boolean
  readonly #looks = new Set<() => void>()

  /**
   * @param socket - its end
   * @param isTCP - whether it can say that it was reset, and not only go
   */
  constructor(socket: Duplex, isTCP = false) {
    this.socket = socket
    this.#isTCP = isTCP
    onTestFinished(() => void socket.destroy())
    const over = (): void => {
      this.isOver = true
      this.#look()
    }
    socket.on('error', () => {}).on('end', over)
    socket.on('close', over).on('data', (bytes: Buffer) => {
      this.text += bytes.toString('latin1')
      this.#look()
    })
  }

  /** Settles when all that has come is this, or begins with it. */
  heard(text: string): Promise<void> {
    return this.#until(() => this.text.startsWith(text))
  }

  /** Settles when the other side has ended or reset the connection. */
  over(): Promise<void> {
    return this.#until(() => this.isOver)
  }

  send(text: string): void {
    this.socket.write(text)
  }

  /** Say that nothing more comes, and take what is left. */
  end(): void {
    this.socket.end()
  }

  /** Go without a word. */
  reset(): void {
    if (this.#isTCP) (this.socket as Socket).resetAndDestroy()
    else this.socket.destroy()
  }

  #until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!condition()) return
        this.#looks.delete(look)
        resolve()
      }
      this.#looks.add(look)
      look()
    })
  }

  #look(): void {
    for (const look of this.#looks) look()
  }
}
