import { ClosedError, LimitExceededError } from '../errors.ts'
import { rejection } from '../iterator/deferred.ts'
import { errorOf, type Fault } from '../iterator/fault.ts'
import type { WFile, Writable } from '../wfile.ts'
import { ChunkList } from './chunk-list.ts'
import { defaultMaxWriteQueue } from './stream-writer.ts'

const ended = (): Error => new ClosedError('Cannot write: the output was ended')

/** The wfile of a message: gathers the one reply. See {@link WFile}. */
export class MessageWriter implements WFile {
  readonly #chunks = new ChunkList()
  #length = 0
  #written = false
  #closed: Fault | undefined

  get length(): number {
    return this.#length
  }

  /** All that was written; `undefined` where there was no write, not even an empty one. Throws where it grew too long. */
  get reply(): Buffer | undefined {
    if (this.#closed instanceof LimitExceededError) throw this.#closed
    return this.#written ? this.#chunks.toBuffer() : undefined
  }

  write(bytes: Writable): Promise<void> {
    if (this.#closed === undefined) {
      this.#length += this.#chunks.append(bytes)
      this.#written = true
      if (this.#length <= defaultMaxWriteQueue) return Promise.resolve()
      this.#chunks.take()
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
    if (bytes !== undefined) {
      if (this.#closed !== undefined) return rejection(errorOf(this.#closed))
      void this.write(bytes)
    }
    this.close(ended)
    return this.flush()
  }

  /** Take no more: later writes fail. */
  close(fault: Fault): void {
    this.#closed ??= fault
  }
}
