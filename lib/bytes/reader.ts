import type { Uint8ArrayList } from 'uint8arraylist'
import { count, integer, known } from '../arguments.ts'
import { BusyError, LimitExceededError, UnexpectedEOFError } from '../errors.ts'
import { rejection } from '../iterator/deferred.ts'
import { errorOf, type Fault } from '../iterator/fault.ts'
import type { LineOptions, LinesOptions, ReadOptions, RFile } from '../rfile.ts'
import type { Writable } from '../wfile.ts'
import { ByteQueue } from './byte-queue.ts'
import { type Iterated, Iteration } from './iteration.ts'
import { type Kind, kinds, ParkedRead, type ReadOwner } from './parked-read.ts'
import { toBuffer } from './to-buffer.ts'

/** Where a reader's bytes come from: it is told when to send and that somebody waits; `push` tells it when to stop. */
export interface Upstream {
  /** Send (again). */
  resume(): void
  /** A read has begun to wait. */
  waits(): void
}

const notYet = Symbol('not yet')
const done = { done: true, value: undefined } as const
const newline = 10
const carriageReturn = 13
const none = Buffer.alloc(0)

const defaultLineLimit = 65_536
const defaultReadAllLimit = 16 * 1024 * 1024
const defaultReadHighWaterMark = 65_536

function exactCount(n: number): number {
  if (n === undefined) throw new TypeError('Option n must be a number: got undefined')
  return integer('n', n, 0, { min: 0, max: Number.MAX_SAFE_INTEGER })
}

/** The rfile of every request: see {@link RFile}. One read at a time; the bytes come by `push`, `end` and `fail`. */
export class ByteReader implements RFile, Iterated {
  readonly #upstream: Upstream | undefined
  readonly #queue = new ByteQueue()
  #highWaterMark = defaultReadHighWaterMark
  #flowing = false
  #used = false
  #eof = false
  #error: Fault | undefined
  #closed = false
  readonly #waiting = new ParkedRead()
  // Bytes from the front that are known to hold no newline, so that a long line is searched once.
  #searched = 0
  #searchedUntil = 0
  #iterating = 0
  #whenIdle: (() => void) | undefined

  /** @param upstream - left out where all bytes are pushed at the start */
  constructor(upstream?: Upstream) {
    this.#upstream = upstream
  }

  get length(): number {
    return this.#queue.length
  }

  get ended(): boolean {
    return this.#eof && this.#queue.length === 0
  }

  /** Whether anybody has read, or asked to. */
  get used(): boolean {
    return this.#used
  }

  /** Whether a read waits for bytes. */
  get parked(): boolean {
    return this.#waiting.isParked
  }

  /** Where the upstream is told to stop: Python's `rbufsize`. */
  set highWaterMark(bytes: number) {
    this.#highWaterMark = bytes
  }

  /**
   * Bytes have come.
   *
   * @returns false when enough has come: `resume` asks for more
   */
  push(chunk: Buffer): boolean {
    this.#queue.push(chunk)
    if (this.parked) this.#serve()
    if (!this.parked && this.#queue.length >= this.#highWaterMark) this.#flowing = false
    return this.#flowing
  }

  /** No more will come. */
  end(): void {
    if (this.#error !== undefined) return
    this.#eof = true
    if (this.parked) this.#serve()
  }

  /** What has come can be read, then reads fail. */
  fail(fault: Fault): void {
    if (this.#eof || this.#error !== undefined) return
    this.#error = fault
    if (this.parked) this.#serve()
  }

  /** Drop what has come: reads fail from now on. */
  close(fault: Fault): void {
    if (this.ended) return
    this.#queue.clear()
    this.#searched = 0
    this.#eof = false
    this.#closed = true
    this.#error ??= fault
    if (this.parked) this.#serve()
  }

  /** Take out what has come and was not read; the upstream has stopped, and `resume` will be called again. */
  suspend(): Buffer {
    this.#flowing = false
    this.#searched = 0
    return this.#queue.take(this.#queue.length)
  }

  /** Call back when no iteration is under way: at once, or when the last has ended or was left. */
  whenIdle(callback: () => void): void {
    if (this.#iterating === 0) callback()
    else this.#whenIdle = callback
  }

  read(n = Number.POSITIVE_INFINITY): Promise<Buffer | undefined> {
    return this.#start(kinds.some, count('n', n, 0)) as Promise<Buffer | undefined>
  }

  readExactly(n: number): Promise<Buffer | undefined> {
    return this.#start(kinds.exactly, exactCount(n)) as Promise<Buffer | undefined>
  }

  readLine(options?: LineOptions): Promise<Buffer | undefined> {
    if (options === undefined) return this.#start(kinds.line, defaultLineLimit) as Promise<Buffer | undefined>
    const limit = count('limit', options.limit, defaultLineLimit)
    return this.#start(kinds.line, limit, options.chomp === true) as Promise<Buffer | undefined>
  }

  readUntil(delimiter: Uint8Array | string, options?: ReadOptions): Promise<Buffer | undefined> {
    const bytes = toBuffer(delimiter)
    if (bytes.length === 0) throw new RangeError('A delimiter must have at least a byte')
    const limit = count('limit', options?.limit, defaultLineLimit)
    this.#searchedUntil = 0
    return this.#start(kinds.until, limit, false, bytes) as Promise<Buffer | undefined>
  }

  peek(n: number): Promise<Buffer> {
    return this.#start(kinds.peek, exactCount(n)) as Promise<Buffer>
  }

  readAll(options?: ReadOptions): Promise<Buffer> {
    return this.#start(kinds.all, count('limit', options?.limit, defaultReadAllLimit, 0)) as Promise<Buffer>
  }

  lines(options: LinesOptions = {}): AsyncIterableIterator<Buffer> {
    known('lines', options, ['limit', 'chomp', 'signal'])
    const limit = count('limit', options.limit, defaultLineLimit)
    return new Iteration<Buffer>(this, kinds.lineResult, limit, options.chomp === true, options.signal)
  }

  unread(bytes: Writable): void {
    if (this.parked) throw new BusyError('Cannot put bytes back: a read is waiting')
    if (this.#closed && this.#error !== undefined) throw errorOf(this.#error)
    this.#queue.unshift(toBuffer(bytes))
    this.#searched = 0
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8ArrayList> {
    return new Iteration<Uint8ArrayList>(this, kinds.batch, 0, false)
  }

  /** The next result of an iteration. */
  nextOf(iteration: Iteration<unknown>): Promise<IteratorResult<unknown>> {
    const { kind, limit, chomp } = iteration
    return this.#start(kind, limit, chomp, undefined, iteration) as Promise<IteratorResult<unknown>>
  }

  /** Ends the read that waits for an iteration, if there is one. */
  cancel(iteration: Iteration<unknown>): void {
    if (this.parked && this.#waiting.owner === iteration) this.#waiting.resolve(done)
  }

  /** An iteration has begun. */
  iterationBegan(): void {
    this.#iterating++
  }

  /** One has ended, or was left. */
  iterationEnded(): void {
    if (--this.#iterating > 0) return
    const callback = this.#whenIdle
    this.#whenIdle = undefined
    callback?.()
  }

  #start(kind: Kind, n: number, chomp = false, delimiter?: Buffer, owner?: ReadOwner): Promise<unknown> {
    this.#used = true
    if (this.parked) {
      return rejection(new BusyError('Cannot read: another read of this rfile is waiting'))
    }
    try {
      const result = this.#attempt(kind, n, chomp, delimiter)
      if (result !== notYet) {
        if (result === done) owner?.leave()
        if (!this.#flowing) this.#relieve()
        return Promise.resolve(result)
      }
    } catch (error) {
      owner?.leave()
      return rejection(error)
    }
    const promise = this.#waiting.park(kind, n, chomp, delimiter, owner)
    this.#upstream?.waits()
    if (!this.#flowing) {
      this.#flowing = true
      this.#upstream?.resume()
    }
    return promise
  }

  #serve(): void {
    const waiting = this.#waiting
    const { owner } = waiting
    try {
      const result = this.#attempt(waiting.kind, waiting.n, waiting.chomp, waiting.delimiter)
      if (result === notYet) return
      waiting.resolve(result)
      if (result === done) owner?.leave()
    } catch (error) {
      waiting.reject(error)
      owner?.leave()
    }
  }

  #relieve(): void {
    // Half of the mark, so that a slow reader does not stop and start the peer at every read.
    if (this.#eof || this.#error !== undefined || this.#queue.length * 2 > this.#highWaterMark) return
    this.#flowing = true
    this.#upstream?.resume()
  }

  #attempt(kind: Kind, n: number, chomp: boolean, delimiter: Buffer | undefined): unknown {
    const queue = this.#queue
    const { length } = queue
    switch (kind) {
      case kinds.batch:
        if (length > 0) {
          this.#searched = 0
          return { done: false, value: queue.takeList() }
        }
        return this.#atEnd() ? done : notYet
      case kinds.some:
        if (length > 0) return this.#take(Math.min(n, length))
        return this.#atEnd() ? undefined : notYet
      case kinds.exactly:
        if (length >= n) return this.#take(n)
        if (!this.#atEnd()) return notYet
        if (length === 0) return undefined
        throw new UnexpectedEOFError(`Cannot read ${n} bytes: the input ended after ${length}`, this.#take(length))
      case kinds.line:
        return this.#line(n, chomp)
      case kinds.lineResult: {
        const line = this.#line(n, chomp)
        if (line === notYet) return notYet
        return line === undefined ? done : { done: false, value: line }
      }
      case kinds.until:
        return this.#until(delimiter as Buffer, n)
      case kinds.peek:
        if (length >= n) return queue.view(n)
        return this.#atEnd() ? queue.view(length) : notYet
      case kinds.all:
        if (length > n) {
          throw new LimitExceededError(`Cannot read the whole input: it is longer than the limit of ${n} bytes`, n)
        }
        return this.#atEnd() ? this.#take(length) : notYet
    }
  }

  /** Whether the input has ended well; throws where it has ended otherwise. */
  #atEnd(): boolean {
    if (this.#eof) return true
    if (this.#error !== undefined) throw errorOf(this.#error)
    return false
  }

  #line(limit: number, chomp: boolean): Buffer | undefined | typeof notYet {
    const { length } = this.#queue
    const at = this.#searched < length ? this.#queue.indexOf(newline, this.#searched) : -1
    if (at === -1) this.#searched = length
    if (at === -1 ? length >= limit : at >= limit) {
      throw new LimitExceededError(`Cannot read a line: it is longer than the limit of ${limit} bytes`, limit)
    }
    if (at === -1) {
      if (!this.#atEnd()) return notYet
      return length === 0 ? undefined : this.#take(length)
    }
    const line = this.#take(at + 1)
    if (!chomp) return line
    return line.subarray(0, line[at - 1] === carriageReturn ? at - 1 : at)
  }

  #until(delimiter: Buffer, limit: number): Buffer | undefined | typeof notYet {
    const { length } = this.#queue
    const at = this.#queue.indexOfAll(delimiter, this.#searchedUntil)
    if (at !== -1 && at + delimiter.length <= limit) return this.#take(at + delimiter.length)
    if (at !== -1 || length >= limit) {
      throw new LimitExceededError(
        `Cannot read to the delimiter: it does not come within the limit of ${limit} bytes`,
        limit
      )
    }
    this.#searchedUntil = Math.max(0, length - delimiter.length + 1)
    if (!this.#atEnd()) return notYet
    if (length === 0) return undefined
    throw new UnexpectedEOFError(
      `Cannot read to the delimiter: the input ended after ${length} bytes`,
      this.#take(length)
    )
  }

  #take(n: number): Buffer {
    this.#searched = n < this.#searched ? this.#searched - n : 0
    return n === 0 ? none : this.#queue.take(n)
  }
}
