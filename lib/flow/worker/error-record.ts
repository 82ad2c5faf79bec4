import {
  AbortedError,
  BusyError,
  ClosedError,
  LimitExceededError,
  ListenError,
  NotListeningError,
  NotSupportedError,
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

const kinds = new Map<string, { readonly prototype: Error }>(
  Object.entries({
    AbortedError,
    BusyError,
    ClosedError,
    LimitExceededError,
    ListenError,
    NotListeningError,
    NotSupportedError,
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
export function recordError(error: Error, depth = 0): ErrorRecord {
  const properties: [string, RecordedValue][] = []
  for (const name of Object.getOwnPropertyNames(error)) {
    if (name === 'message' || name === 'stack' || name === 'name') continue
    const value = recordedValue(read(error, name), depth)
    if (value !== undefined) properties.push([name, value])
  }
  return {
    name: text(error, 'name') ?? 'Error',
    message: text(error, 'message') ?? '',
    stack: text(error, 'stack'),
    properties
  }
}

/** The error that a record tells of, of its class where that is one of the language's or of this package's. */
export function reviveError({ name, message, stack, properties }: ErrorRecord): Error {
  const error = new Error(message)
  const kind = kinds.get(name)
  if (kind !== undefined) Object.setPrototypeOf(error, kind.prototype)
  if (error.name !== name) define(error, 'name', name)
  if (stack !== undefined) define(error, 'stack', stack)
  for (const [property, value] of properties) {
    // What is not enumerable in an error is not meant to be printed twice.
    const isEnumerable = property !== 'cause' && property !== 'errors'
    define(error, property, revivedValue(value), isEnumerable)
  }
  return error
}

function revivedValue(value: RecordedValue): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (typeof value !== 'object' || value === null) return value
  return 'error' in value ? reviveError(value.error) : value.errors.map((error) => reviveError(error))
}

function recordedValue(value: unknown, depth: number): RecordedValue {
  if (value === null || value instanceof Uint8Array) return value
  if (value instanceof Error) return depth < deepest ? { error: recordError(value, depth + 1) } : undefined
  if (isErrors(value)) {
    return depth < deepest ? { errors: value.map((error) => recordError(error, depth + 1)) } : undefined
  }
  return typeof value === 'object' || typeof value === 'function' || typeof value === 'symbol'
    ? undefined
    : (value as RecordedValue)
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
