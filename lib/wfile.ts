import type { Uint8ArrayList } from 'uint8arraylist'

/** What can be written: bytes, a list of bytes, or text, which is sent as UTF-8. */
export type Writable = Uint8Array | Uint8ArrayList | string

/**
 * The output of a request: Python's `wfile`.
 *
 * On a connection, writes made in one turn of the event loop leave together, in one system call. On a message (a
 * datagram) everything written is the one reply, sent when the request is closed well.
 *
 * Resources: bytes are held, not copied, until they have left: don't change them before `flush()` has returned; on a
 * message, before `close()` has.
 * Errors: an error of a write that nobody awaited is never an unhandled rejection; it comes back from the next `write`,
 * `flush` or `end`. {@link AbortedError} once the peer is gone, {@link ClosedError} after `end()`,
 * {@link LimitExceededError} where writes are piled up without being awaited.
 * Stopping: `end()`, or the closing of the request, which sends what is left.
 * Python: `StreamRequestHandler.wfile`.
 *
 * @example
 * const reply = await ask(async (request) => {
 *   request.wfile.write('two writes, ')
 *   await request.wfile.write('one system call\n')
 * }, '')
 * assert.equal(reply, 'two writes, one system call\n')
 */
export interface WFile {
  /** Bytes written that have not yet left. */
  readonly length: number

  /**
   * Write. Waits only while more than the high-water mark is still to leave.
   *
   * @param bytes - what to write; an empty write is a write too (of a datagram: an empty one)
   */
  write(bytes: Writable): Promise<void>

  /** Send now what was written, and wait until the kernel has it. On a message: nothing, it leaves at the close. */
  flush(): Promise<void>

  /**
   * Write nothing more: send what is left, and tell the peer that it was all. Reading goes on.
   *
   * @param bytes - the last ones, if any
   */
  end(bytes?: Writable): Promise<void>
}
