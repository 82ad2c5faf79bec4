import type { Uint8ArrayList } from 'uint8arraylist'

/** Bounds of one read. */
export interface ReadOptions {
  /** The most bytes to collect, terminator included. */
  readonly limit?: number
}

/** How lines are read. */
export interface LineOptions extends ReadOptions {
  /** Leave out the line's `\n` or `\r\n`. Lines keep it by default, as in Python. */
  readonly chomp?: boolean
}

/** How lines are iterated. */
export interface LinesOptions extends LineOptions {
  /** Ends the iteration when it aborts, also while it waits: `request.stopping`, say. The rest stays readable. */
  readonly signal?: AbortSignal
}

/**
 * The input of a request: Python's `rfile`.
 *
 * An async iterable of batches: each `Uint8ArrayList` is all that has come since the last pull. The other methods read
 * what they say from the same bytes, in order, and can be mixed with the iteration. What has come already is handed
 * out without waiting.
 *
 * Resources: at most the handler's `readHighWaterMark` and one system read is held; then the peer has to wait. A read
 * that asks for more (`readExactly(n)`, a longer line) holds as much as it asks for.
 * Errors: {@link BusyError} for a second read while one waits; {@link AbortedError} once the request was aborted (bytes
 * that came before are still handed out first, if the peer did it); {@link ClosedError} after the request was closed.
 * Stopping: the end of the input is `undefined`, or `done` of an iteration; leaving a loop early leaves the rest
 * readable.
 * Python: `StreamRequestHandler.rfile`.
 *
 * @example
 * async function greet (request: Request) {
 *   const line = await request.rfile.readLine({ chomp: true })
 *   await request.wfile.write(`hello ${line}\n`)
 * }
 * assert.equal(await ask(greet, 'you\n'), 'hello you\n')
 */
export interface RFile extends AsyncIterable<Uint8ArrayList> {
  /** Bytes that have come and were not read. */
  readonly length: number
  /** True once the end of the input has come and all was read. */
  readonly ended: boolean

  /**
   * Read what is there: at least a byte, at most `n`. Python's `read1`.
   *
   * @param n - the most bytes to return; all that is there by default
   * @returns the bytes, or `undefined` at the end
   */
  read(n?: number): Promise<Buffer | undefined>

  /**
   * Read exactly `n` bytes. Python's `read(n)`.
   *
   * @param n - how many, 0 or more
   * @returns the bytes, or `undefined` where the input has ended before the first
   * @throws {@link UnexpectedEOFError} where it ends in between; what had come is in its `partial`
   */
  readExactly(n: number): Promise<Buffer | undefined>

  /**
   * Read a line. A last line without terminator is a line too. Python's `readline`.
   *
   * @param options - `limit` (65,536 bytes by default) and `chomp`
   * @returns the line, with its terminator unless chomped, or `undefined` at the end
   * @throws {@link LimitExceededError} where `limit` bytes have come without a terminator; they stay readable
   */
  readLine(options?: LineOptions): Promise<Buffer | undefined>

  /**
   * Read up to and including a delimiter.
   *
   * @param delimiter - at least a byte
   * @param options - `limit` (65,536 bytes by default)
   * @returns the bytes, delimiter included, or `undefined` where the input has ended before the first
   * @throws {@link UnexpectedEOFError} where the input ends without delimiter
   * @throws {@link LimitExceededError} where none comes within the limit; the bytes stay readable
   */
  readUntil(delimiter: Uint8Array | string, options?: ReadOptions): Promise<Buffer | undefined>

  /**
   * Look at the next `n` bytes without taking them. Python's `peek`.
   *
   * @param n - how many to wait for
   * @returns the bytes, fewer only where the input ends before; empty at the end
   */
  peek(n: number): Promise<Buffer>

  /**
   * Read all that is left.
   *
   * @param options - `limit` (16 MiB by default)
   * @returns the bytes, empty at the end
   * @throws {@link LimitExceededError} where more comes; the bytes stay readable
   */
  readAll(options?: ReadOptions): Promise<Buffer>

  /**
   * The lines, one by one, to the end.
   *
   * @param options - as in {@link RFile.readLine}, and a `signal` that ends it
   */
  lines(options?: LinesOptions): AsyncIterableIterator<Buffer>

  /**
   * Put bytes back: they are read next.
   *
   * @param bytes - what to put back
   */
  unread(bytes: Uint8Array | Uint8ArrayList | string): void
}
