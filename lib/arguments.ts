import { inspect } from 'node:util'

/** Checks of what callers pass: the sentence names the option and the value, so that the mistake is found at once. */

interface Bounds {
  min: number
  max: number
}

/** A value as an error message shows it. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  return inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY })
}

/** An integer within bounds, or the fallback where the option was left out. */
export function integer(name: string, value: unknown, fallback: number, { min, max }: Bounds): number {
  if (value === undefined) return fallback
  if (typeof value !== 'number') throw new TypeError(`Option ${name} must be a number: got ${show(value)}`)
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`Option ${name} must be an integer from ${min} to ${max}: got ${value}`)
  }
  return value
}

/** A count of at least `min`, for which `Infinity` means "no bound". */
export function count(name: string, value: unknown, fallback: number, min = 1): number {
  if (value === Number.POSITIVE_INFINITY) return value
  if (value === undefined) return fallback
  if (typeof value !== 'number') throw new TypeError(`Option ${name} must be a number: got ${show(value)}`)
  if (Number.isSafeInteger(value) && value >= min) return value
  throw new RangeError(`Option ${name} must be an integer of at least ${min}, or Infinity: got ${value}`)
}

// Node's timers turn anything longer into 1 ms.
const longestTimer = 2 ** 31 - 1

/** A time in milliseconds; `Infinity` and, where the option was left out, the fallback are allowed. */
export function milliseconds(name: string, value: unknown, fallback: number, min = 0): number {
  if (value === undefined) return fallback
  if (typeof value !== 'number')
    throw new TypeError(`Option ${name} must be a number of milliseconds: got ${show(value)}`)
  if (value === Number.POSITIVE_INFINITY) return value
  if (!(value >= min && value <= longestTimer)) {
    throw new RangeError(
      `Option ${name} must be from ${min} to ${longestTimer} milliseconds, or Infinity: got ${value}`
    )
  }
  return value
}

/** True or false. */
export function flag(name: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback
  if (typeof value !== 'boolean') throw new TypeError(`Option ${name} must be true or false: got ${show(value)}`)
  return value
}

/** A string that is not empty. */
export function text(name: string, value: unknown, fallback: string | undefined): string {
  const given = value === undefined ? fallback : value
  if (typeof given !== 'string') throw new TypeError(`Option ${name} must be a string: got ${show(given)}`)
  if (given === '') throw new RangeError(`Option ${name} must not be empty`)
  if (given.includes('\0')) throw new RangeError(`Option ${name} must not hold a NUL character: got ${show(given)}`)
  return given
}

/** An options object whose keys are all known: a misspelt option must not be silently without effect. */
export function known(what: string, options: object, names: readonly string[]): void {
  if (options === null || typeof options !== 'object' || Array.isArray(options)) {
    throw new TypeError(`${what} takes an object of options: got ${show(options)}`)
  }
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) throw new TypeError(`${what} has no option ${name}: it takes ${names.join(', ')}`)
  }
}
