import {
  AbortedError,
  BusyError,
  ClosedError,
  LimitExceededError,
  ListenError,
  NotListeningError,
  NotSupportedError,
  ProxyProtocolError,
  UnexpectedEOFError,
  WorkerStartError
} from '../../errors.ts'

/** An error as it crosses to another process or thread: a copy of it would lose its class, its code and its stack. */
export interface ErrorRecord {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  /** Its own properties, as far as they can cross. */
  readonly properties: readonly (readonly [name: string, value: RecordedValue])[]
}

type RecordedValue =
  | string
  | number
  | boolean
  | bigint
  | null
  | undefined
  | Uint8Array
  | { readonly error: ErrorRecord }
  | { readonly errors: readonly ErrorRecord[] }

// An error may have itself as its cause.
const deepest = 5
// Errors and properties that cross with one: of those that hold each other there is no end.
const most = 10_000

/** How many more errors and properties may cross. */
interface Allowance {
  left: number
  /** The records that were revived: none is two errors, so that a short message can't stand for many. */
  readonly seen: Set<unknown>
}

const kinds = new Map<string, { readonly prototype: Error }>(
  Object.entries({
    AbortedError,
    BusyError,
    ClosedError,
    LimitExceededError,
    ListenError,
    NotListeningError,
    NotSupportedError,
    ProxyProtocolError,
    UnexpectedEOFError,
    WorkerStartError,
    AggregateError,
    EvalError,
    RangeError,
    ReferenceError,
    SyntaxError,
    TypeError,
    URIError
  })
)

/** What crosses of an error. */
export function recordError(error: Error): ErrorRecord {
  return recorded(error, 0, allowed())
}

/**
 * The error that a record tells of, of its class where that is one of the language's or of this package's. A record that
 * a broken worker has made up tells of an error too: what is not as it should be is left out.
 */
export function reviveError(record: unknown): Error {
  return revived(record, 0, allowed())
}

/** The errors that records tell of: as {@link reviveError}, and no more of them than one error may hold. */
export function reviveErrors(records: unknown): Error[] {
  return Array.isArray(records) ? revivedAll(records, 0, allowed()) : []
}

function allowed(): Allowance {
  return { left: most, seen: new Set() }
}

function recorded(error: Error, depth: number, allowance: Allowance): ErrorRecord {
  allowance.left--
  const properties: [string, RecordedValue][] = []
  for (const name of Object.getOwnPropertyNames(error)) {
    if (allowance.left <= 0) break
    if (!isOwnName(name)) continue
    allowance.left--
    const value = recordedValue(read(error, name), depth, allowance)
    if (value !== undefined) properties.push([name, value])
  }
  return {
    name: text(error, 'name') ?? 'Error',
    message: text(error, 'message') ?? '',
    stack: text(error, 'stack'),
    properties
  }
}

function revived(record: unknown, depth: number, allowance: Allowance): Error {
  allowance.seen.add(record)
  const { name, message, stack, properties } = (record ?? {}) as Partial<Record<keyof ErrorRecord, unknown>>
  const error = new Error(typeof message === 'string' ? message : 'an error of which nothing is known')
  const kind = typeof name === 'string' ? kinds.get(name) : undefined
  if (kind !== undefined) Object.setPrototypeOf(error, kind.prototype)
  if (typeof name === 'string' && error.name !== name) define(error, 'name', name)
  if (typeof stack === 'string') define(error, 'stack', stack)
  if (!Array.isArray(properties)) return error
  // By its number: of a sparse array the length says nothing.
  for (let i = 0; i < properties.length && allowance.left > 0; i++) {
    allowance.left--
    const [property, given] = Array.isArray(properties[i]) ? (properties[i] as unknown[]) : []
    if (typeof property !== 'string' || !isOwnName(property)) continue
    const value = revivedValue(given, depth, allowance)
    if (value === undefined && given !== undefined) continue
    // What is not enumerable in an error is not meant to be printed twice.
    define(error, property, value, property !== 'cause' && property !== 'errors')
  }
  return error
}

function revivedAll(records: readonly unknown[], depth: number, allowance: Allowance): Error[] {
  const errors: Error[] = []
  for (let i = 0; i < records.length && allowance.left > 0; i++) {
    allowance.left--
    if (!allowance.seen.has(records[i])) errors.push(revived(records[i], depth, allowance))
  }
  return errors
}

/** `undefined` for what never crosses. */
function revivedValue(value: unknown, depth: number, allowance: Allowance): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (typeof value !== 'object' || value === null) return value
  if (depth >= deepest || allowance.left <= 0) return undefined
  if ('error' in value) {
    return allowance.seen.has(value.error) ? undefined : revived(value.error, depth + 1, allowance)
  }
  if ('errors' in value && Array.isArray(value.errors)) return revivedAll(value.errors, depth + 1, allowance)
  return undefined
}

function recordedValue(value: unknown, depth: number, allowance: Allowance): RecordedValue {
  if (value === null || value instanceof Uint8Array) return value
  const mayHold = depth < deepest && allowance.left > 0
  if (value instanceof Error) return mayHold ? { error: recorded(value, depth + 1, allowance) } : undefined
  if (isErrors(value)) return mayHold ? { errors: recordedAll(value, depth + 1, allowance) } : undefined
  return typeof value === 'object' || typeof value === 'function' || typeof value === 'symbol'
    ? undefined
    : (value as RecordedValue)
}

function recordedAll(errors: readonly Error[], depth: number, allowance: Allowance): ErrorRecord[] {
  const records: ErrorRecord[] = []
  for (const error of errors) {
    if (allowance.left <= 0) break
    records.push(recorded(error, depth, allowance))
  }
  return records
}

/** Whether a property is an error's own: of the others some cross by themselves, and the rest is every error's. */
function isOwnName(name: string): boolean {
  return name !== 'stack' && !(name in Error.prototype)
}

// Those of an AggregateError.
function isErrors(value: unknown): value is Error[] {
  return Array.isArray(value) && value.length > 0 && value.every((one) => one instanceof Error)
}

function text(error: Error, name: 'name' | 'message' | 'stack'): string | undefined {
  try {
    const value = error[name]
    return value === undefined ? undefined : String(value)
  } catch {
    return undefined
  }
}

// A getter of somebody else's may throw.
function read(error: Error, name: string): unknown {
  try {
    return (error as unknown as Record<string, unknown>)[name]
  } catch {
    return undefined
  }
}

function define(error: Error, name: string, value: unknown, enumerable = false): void {
  Object.defineProperty(error, name, { value, enumerable, writable: true, configurable: true })
}
