import { ClosedError, LimitExceededError } from '../errors.ts'
import { rejection } from '../iterator/deferred.ts'
import { errorOf, type Fault } from '../iterator/fault.ts'
import type { WFile, Writable } from '../wfile.ts'
import { defaultMaxWriteQueue } from './stream-writer.ts'
import { appendBuffers, joined } from './to-buffer.ts'

const ended = (): Error => new ClosedError('Cannot write: the output was ended')

/** The wfile of a message: gathers the one reply. See {@link WFile}. */
export class MessageWriter implements WFile {
  readonly #chunks: Uint8Array[] = []
  #length = 0
  #written = false
  #closed: Fault | undefined

  get length(): number {
    return this.#length
  }

  /** All that was written; `undefined` where there was no write, not even an empty one. Throws where it grew too long. */
  get reply(): Buffer | undefined {
    if (this.#closed instanceof LimitExceededError) throw this.#closed
    return this.#written ? joined(this.#chunks) : undefined
  }

  write(bytes: Writable): Promise<void> {
    if (this.#closed === undefined) {
      this.#length += appendBuffers(bytes, this.#chunks)
      this.#written = true
      if (this.#length <= defaultMaxWriteQueue) return Promise.resolve()
      this.#chunks.length = 0
      this.#length = 0
      this.close(
        new LimitExceededError(`Cannot write: the reply is over ${defaultMaxWriteQueue} bytes`, defaultMaxWriteQueue)
      )
    }
    return rejection(errorOf(this.#closed ?? ended))
  }

  flush(): Promise<void> {
    return this.#closed instanceof LimitExceededError ? rejection(this.#closed) : Promise.resolve()
  }

  end(bytes?: Writable): Promise<void> {
    if (bytes !== undefined) void this.write(bytes)
    this.close(ended)
    return this.flush()
  }

  /** Take no more: later writes fail. */
  close(fault: Fault): void {
    this.#closed ??= fault
  }
}
