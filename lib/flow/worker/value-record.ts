import { deserialize, serialize } from 'node:v8'

/** What a handler has returned, as it crosses to another process or thread: what is no primitive, in bytes of v8's. */
export type ValueRecord = string | number | bigint | boolean | null | undefined | Uint8Array

/** What crosses of a value: `undefined` where it can't be copied. */
export function recordValue(value: unknown): ValueRecord {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol')) {
    return value as ValueRecord
  }
  try {
    return serialize(value)
  } catch {
    // A function, say, or an object that has one.
    return undefined
  }
}

/**
 * The value that a record tells of; `undefined` where it can't be made here: a stack may suffice to take apart what is
 * deeply nested, and another not to put it together. A message as a whole that can't be read would be lost, with all that
 * it says.
 */
export function reviveValue(record: ValueRecord): unknown {
  if (!(record instanceof Uint8Array)) return record
  try {
    return deserialize(record)
  } catch {
    return undefined
  }
}
