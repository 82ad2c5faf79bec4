import { describe, expect, it } from 'vitest'
import { count, flag, integer, known, milliseconds, text } from '../lib/arguments.ts'

const bounds = { min: 1, max: 10 }
const longest = 2 ** 31 - 1

describe('integer', () => {
  it('gives what lies within the bounds, the bounds included', () => {
    expect([1, 5, 10].map((value) => integer('n', value, 7, bounds))).toEqual([1, 5, 10])
  })

  it('gives the fallback where nothing was given, also one out of bounds', () => {
    expect(integer('n', undefined, 7, bounds)).toBe(7)
    expect(integer('n', undefined, -1, bounds)).toBe(-1)
  })

  for (const value of [0, 11, 1.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    it(`throws a RangeError for ${value}`, () => {
      expect(() => integer('n', value, 7, bounds)).toThrow(
        new RangeError(`Option n must be an integer from 1 to 10: got ${value}`)
      )
    })
  }

  const wrong: [unknown, string][] = [
    ['5', '"5"'],
    [null, 'null'],
    [true, 'true'],
    [5n, '5n'],
    [Symbol('five'), 'Symbol(five)'],
    [function five() {}, '[Function: five]']
  ]
  for (const [value, shown] of wrong) {
    it(`throws a TypeError for ${shown}, a ${typeof value}`, () => {
      expect(() => integer('n', value, 7, bounds)).toThrow(new TypeError(`Option n must be a number: got ${shown}`))
    })
  }
})

describe('count', () => {
  it('takes Infinity for no bound, and integers from 1 on', () => {
    expect([1, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY].map((n) => count('n', n, 7))).toEqual([
      1,
      Number.MAX_SAFE_INTEGER,
      Number.POSITIVE_INFINITY
    ])
    expect(count('n', undefined, 7)).toBe(7)
  })

  it('takes another least value', () => {
    expect(count('n', 0, 7, 0)).toBe(0)
    expect(() => count('n', 1, 7, 2)).toThrow(RangeError)
  })

  for (const value of [0, -1, 1.5, Number.NaN, Number.NEGATIVE_INFINITY, 2 ** 53]) {
    it(`throws a RangeError for ${value}`, () => {
      expect(() => count('n', value, 7)).toThrow(RangeError)
      expect(() => count('n', value, 7)).toThrow(`Option n must be an integer of at least 1, or Infinity`)
      expect(() => count('n', value, 7)).toThrow(`got ${value}`)
    })
  }

  it('throws a TypeError for what is no number', () => {
    expect(() => count('n', 'Infinity', 7)).toThrow(new TypeError('Option n must be a number: got "Infinity"'))
  })
})

describe('milliseconds', () => {
  it('takes what a timer can wait, and Infinity', () => {
    const times = [0, 0.5, 1, longest, Number.POSITIVE_INFINITY]
    expect(times.map((value) => milliseconds('t', value, 7))).toEqual(times)
    expect(milliseconds('t', undefined, 7)).toBe(7)
  })

  for (const value of [-1, -0.1, longest + 1, Number.NaN, Number.NEGATIVE_INFINITY]) {
    it(`throws a RangeError for ${value}`, () => {
      expect(() => milliseconds('t', value, 7)).toThrow(
        new RangeError(`Option t must be from 0 to ${longest} milliseconds, or Infinity: got ${value}`)
      )
    })
  }

  for (const [value, shown] of [
    ['5', '"5"'],
    [null, 'null'],
    [false, 'false']
  ] as const) {
    it(`throws a TypeError for ${shown}`, () => {
      expect(() => milliseconds('t', value, 7)).toThrow(
        new TypeError(`Option t must be a number of milliseconds: got ${shown}`)
      )
    })
  }
})

describe('flag', () => {
  it('takes true and false', () => {
    expect([flag('f', true, false), flag('f', false, true)]).toEqual([true, false])
    expect([flag('f', undefined, true), flag('f', undefined, false)]).toEqual([true, false])
  })

  for (const [value, shown] of [
    ['true', '"true"'],
    [1, '1'],
    [0, '0'],
    [null, 'null']
  ] as const) {
    it(`throws a TypeError for ${shown}`, () => {
      expect(() => flag('f', value, true)).toThrow(new TypeError(`Option f must be true or false: got ${shown}`))
    })
  }
})

describe('text', () => {
  it('takes a string, or the fallback', () => {
    expect(text('s', 'given', 'fallback')).toBe('given')
    expect(text('s', undefined, 'fallback')).toBe('fallback')
  })

  it('throws a TypeError where there is no string at all', () => {
    expect(() => text('s', undefined, undefined)).toThrow(new TypeError('Option s must be a string: got undefined'))
    expect(() => text('s', 5, 'fallback')).toThrow(new TypeError('Option s must be a string: got 5'))
    expect(() => text('s', null, 'fallback')).toThrow(new TypeError('Option s must be a string: got null'))
  })

  it('throws a RangeError for an empty one, and for one that the system would cut short', () => {
    expect(() => text('s', '', 'fallback')).toThrow(new RangeError('Option s must not be empty'))
    expect(() => text('s', 'a\0b', 'fallback')).toThrow(
      new RangeError('Option s must not hold a NUL character: got "a\\u0000b"')
    )
  })
})

describe('known', () => {
  it('takes an object without options, with some, and with all', () => {
    for (const options of [{}, { a: 1 }, { b: undefined, a: 1 }]) {
      expect(() => known('Thing', options, ['a', 'b'])).not.toThrow()
    }
  })

  it('throws a TypeError for an option that there is not, and names those that there are', () => {
    expect(() => known('Thing', { a: 1, c: 2 }, ['a', 'b'])).toThrow(
      new TypeError('Thing has no option c: it takes a, b')
    )
  })

  it('throws a TypeError for what holds no options', () => {
    for (const options of [null, undefined, 5, 'text', () => {}]) {
      expect(() => known('Thing', options as never, ['a'])).toThrow(TypeError)
      expect(() => known('Thing', options as never, ['a'])).toThrow('Thing takes an object of options')
    }
  })
})
