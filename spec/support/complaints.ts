import { expect } from 'vitest'

/** Something that goes about it as a good one does, but for what it is told. */
export function bent<T extends object>(good: T, wrong: Partial<T>): T {
  return new Proxy(good, {
    get(target, name) {
      if (name in wrong) return wrong[name as keyof T]
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}

/** The cases that a kit says do not hold. */
export async function complaints(checking: Promise<void>): Promise<string[]> {
  const error: unknown = await checking.then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  expect(error).toBeInstanceOf(AggregateError)
  const { errors, message } = error as AggregateError
  const sentences = errors.map((one: Error) => one.message)
  for (const sentence of sentences) {
    expect(sentence).toMatch(/^This does not hold: a broken (listener|server|mode) .+ \(.+\)$/s)
    expect(message).toContain(sentence)
  }
  expect(message).toMatch(new RegExp(`^${errors.length} of \\d+ cases do not hold:\n`))
  return sentences.map((sentence) => sentence.replace(/^This does not hold: a broken (listener|server|mode) /, ''))
}

/** That one of them is of this case. */
export const about = (case_: string): unknown => expect.arrayContaining([expect.stringContaining(case_)])
