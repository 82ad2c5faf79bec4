import { Buffer } from 'node:buffer'
import type { ByteReader } from '../../lib/bytes/reader.ts'
import type { LimitExceededError, UnexpectedEOFError } from '../../lib/errors.ts'

/** Something that is asked of a reader. */
export type Question =
  | { readonly ask: 'read' | 'readAll'; readonly n: number | undefined }
  | { readonly ask: 'readExactly' | 'peek'; readonly n: number }
  | { readonly ask: 'readLine'; readonly chomp: boolean; readonly limit: number | undefined }
  | { readonly ask: 'readUntil'; readonly delimiter: string; readonly limit: number | undefined }
  | { readonly ask: 'batch' }

/** An answer as text, so that two of them can be compared and read; `undefined` where none has come yet. */
export type Told = string | undefined

export const told = (value: unknown): string => {
  if (value instanceof Uint8Array) return `bytes ${JSON.stringify(Buffer.from(value).toString('latin1'))}`
  return String(value)
}

export const toldError = (error: Error): string => {
  const { partial } = error as UnexpectedEOFError
  const { limit } = error as LimitExceededError
  return `${error.name}${partial === undefined ? '' : ` with ${told(partial)}`}${limit === undefined ? '' : ` at ${limit}`}`
}

/** Ask a reader. */
export function ask(reader: ByteReader, question: Question): Promise<unknown> {
  switch (question.ask) {
    case 'read':
      return reader.read(question.n)
    case 'readAll':
      return question.n === undefined ? reader.readAll() : reader.readAll({ limit: question.n })
    case 'readExactly':
      return reader.readExactly(question.n)
    case 'peek':
      return reader.peek(question.n)
    case 'readLine': {
      const { chomp, limit } = question
      if (limit === undefined) return chomp ? reader.readLine({ chomp }) : reader.readLine()
      return reader.readLine({ chomp, limit })
    }
    case 'readUntil': {
      const { delimiter, limit } = question
      return limit === undefined ? reader.readUntil(delimiter) : reader.readUntil(Buffer.from(delimiter), { limit })
    }
    case 'batch':
      throw new Error('a batch is asked of an iterator')
  }
}

/** What a reader should be: all bytes in one buffer, and a position. */
export class ReaderModel {
  #all: Buffer = Buffer.alloc(0)
  #at = 0
  #ended = false
  #error: Error | undefined

  get rest(): Buffer {
    return this.#all.subarray(this.#at)
  }

  /** Whether the input is over, one way or the other. */
  get over(): boolean {
    return this.#ended || this.#error !== undefined
  }

  get ended(): boolean {
    return this.#ended && this.rest.length === 0
  }

  push(bytes: Buffer): void {
    this.#all = Buffer.concat([this.#all, bytes])
  }

  unread(bytes: Buffer): void {
    this.#all = Buffer.concat([bytes, this.rest])
    this.#at = 0
  }

  end(): void {
    if (!this.over) this.#ended = true
  }

  fail(error: Error): void {
    if (!this.over) this.#error = error
  }

  answer(question: Question): Told {
    const { rest } = this
    switch (question.ask) {
      case 'read':
        return rest.length > 0 ? this.#take(question.n ?? rest.length) : this.#atEnd('undefined')
      case 'batch':
        return rest.length > 0 ? this.#take(rest.length) : this.#atEnd('undefined')
      case 'readExactly':
        return rest.length >= question.n ? this.#take(question.n) : this.#atEnd('undefined', 'UnexpectedEOFError')
      case 'peek':
        if (rest.length >= question.n) return told(rest.subarray(0, question.n))
        return this.#atEnd(told(rest), told(rest))
      case 'readAll': {
        const limit = question.n ?? 16 * 1024 * 1024
        if (rest.length > limit) return `LimitExceededError at ${limit}`
        if (this.#error !== undefined) return toldError(this.#error)
        return this.#ended ? this.#take(rest.length) : undefined
      }
      case 'readLine': {
        const limit = question.limit ?? 65_536
        const line = this.#upTo('\n', limit)
        if (line === undefined) {
          if (rest.length >= limit) return `LimitExceededError at ${limit}`
          if (rest.length === 0 || !this.#ended) return this.#atEnd('undefined', 'never')
          return this.#take(rest.length)
        }
        this.#at += line.length
        return told(
          Buffer.from(
            question.chomp ? line.toString('latin1').replace(/\r?\n$/, '') : line.toString('latin1'),
            'latin1'
          )
        )
      }
      case 'readUntil': {
        const limit = question.limit ?? 65_536
        const piece = this.#upTo(question.delimiter, limit)
        if (piece !== undefined) return this.#take(piece.length)
        return rest.length >= limit ? `LimitExceededError at ${limit}` : this.#atEnd('undefined', 'UnexpectedEOFError')
      }
    }
  }

  /** What is said at the end of the input: where nothing is left, or where something is that does not do. */
  #atEnd(nothing: string, partial = nothing): Told {
    if (this.#error !== undefined) return toldError(this.#error)
    if (!this.#ended) return undefined
    if (this.rest.length === 0) return nothing
    return partial === 'UnexpectedEOFError' ? `${partial} with ${this.#take(this.rest.length)}` : partial
  }

  #upTo(delimiter: string, limit: number): Buffer | undefined {
    const within = this.rest.subarray(0, limit)
    const at = within.indexOf(delimiter)
    return at === -1 ? undefined : within.subarray(0, at + Buffer.byteLength(delimiter))
  }

  #take(n: number): string {
    const taken = this.rest.subarray(0, n)
    this.#at += taken.length
    return told(taken)
  }
}
