import { describe, expect, it } from 'vitest'
import { recordError, reviveError, reviveErrors } from '../../../lib/flow/worker/error-record.ts'
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
} from '../../../lib/index.ts'

/** As it comes out at the other end: what crosses is copied. */
function crossed<E extends Error>(error: E): E {
  return reviveError(structuredClone(recordError(error))) as E
}

/** All that is its own. */
function own(error: Error): Record<string, unknown> {
  const { stack: _, ...rest }: Record<string, unknown> = Object.fromEntries(
    Object.getOwnPropertyNames(error).map((name) => [name, error[name as keyof Error]])
  )
  const { errors } = rest
  return Array.isArray(errors) ? { ...rest, errors: errors.map((one) => [one.constructor, own(one)]) } : rest
}

describe('an error that has crossed', () => {
  const errors: Error[] = [
    new Error('plain'),
    new TypeError('of the language'),
    new RangeError('of the language'),
    new SyntaxError('of the language'),
    new AbortedError('aborted', 'timeout', new Error('underneath')),
    new BusyError('busy'),
    new ClosedError('closed'),
    new LimitExceededError('too much', 12),
    new ListenError('cannot listen', 'EADDRINUSE', new Error('in use')),
    new NotListeningError('not listening'),
    new NotSupportedError('not supported'),
    new ProxyProtocolError('no header', 'malformed', new Error('underneath')),
    new UnexpectedEOFError('ended', Buffer.from('half')),
    new WorkerStartError('cannot start', new Error('its own')),
    new AggregateError([new RangeError('one'), new ClosedError('other')], 'several')
  ]
  for (const error of errors) {
    it(`is what it was: ${error.name}`, () => {
      const back = crossed(error)
      expect(back).toBeInstanceOf(error.constructor)
      expect(back).toBeInstanceOf(Error)
      expect(back.stack).toBe(error.stack)
      expect(back.name).toBe(error.name)
      expect(own(back)).toEqual(own(error))
      expect(Object.keys(back).sort()).toEqual(
        Object.keys(error)
          .filter((name) => name !== 'cause' && name !== 'name')
          .sort()
      )
    })
  }

  it('has its code, its own properties, and the name of a class that nobody knows here', () => {
    class ShopError extends Error {
      override name = 'ShopError'
      code = 'ERR_SHOP'
      shelf = 4
      isOpen = false
      since = 12n
      nothing = null
      bytes = Buffer.from('abc')
    }
    const back = crossed(new ShopError('closed on Sundays'))
    expect(back).toBeInstanceOf(Error)
    expect(back).toMatchObject({ code: 'ERR_SHOP', shelf: 4, isOpen: false, since: 12n, nothing: null })
    expect(back.bytes).toEqual(Buffer.from('abc'))
    expect(String(back)).toBe('ShopError: closed on Sundays')
  })

  it('is of its class where only the name of that is known', () => {
    const gone = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', errno: -104, syscall: 'read' })
    expect(crossed(gone)).toMatchObject({ code: 'ECONNRESET', errno: -104, syscall: 'read' })
    const named = Object.assign(new Error('no class'), { name: 'AbortError' })
    expect(crossed(named).name).toBe('AbortError')
    expect(crossed(new DOMException('gone', 'AbortError'))).toMatchObject({ name: 'AbortError', message: 'gone' })
  })

  it('leaves behind what cannot cross', () => {
    const error = Object.assign(new Error('heavy'), {
      report: () => 'a function',
      tag: Symbol('tag'),
      list: [1, 2],
      socket: { open: true },
      code: 'E'
    })
    expect(own(crossed(error))).toEqual({ message: 'heavy', code: 'E' })
  })

  it('may have itself as its cause, or a very long chain of them', () => {
    const ring: Error = new Error('ring')
    ring.cause = ring
    let back: unknown = crossed(ring)
    let depth = 0
    for (; back instanceof Error; back = back.cause) depth++
    expect(depth).toBeGreaterThan(1)
    expect(depth).toBeLessThan(10)
  })

  it('may throw when it is looked at', () => {
    const nasty = new Error('nasty')
    Object.defineProperty(nasty, 'code', {
      get() {
        throw new Error('not now')
      }
    })
    expect(own(crossed(nasty))).toEqual({ message: 'nasty' })
    for (const name of ['name', 'message', 'stack']) {
      const worse = new Error('worse')
      Object.defineProperty(worse, name, {
        get() {
          throw new Error('not now')
        }
      })
      expect(crossed(worse)).toBeInstanceOf(Error)
    }
    const odd = Object.assign(new Error('odd'), { message: 5, stack: 7, name: { toString: () => 'Odd' } })
    expect(crossed(odd as never)).toMatchObject({ message: '5', name: 'Odd' })
  })
})

describe('a record that a broken worker has made up', () => {
  it('is an error all the same, of what of it is as it should be', () => {
    for (const record of [undefined, null, 5, 'text', [], {}, { properties: 5 }, { message: {}, name: {}, stack: 1 }]) {
      expect(reviveError(record)).toBeInstanceOf(Error)
    }
    const properties = [
      ['code', 'E'],
      ['toString', 5],
      ['message', 5],
      ['cause', { error: 5 }],
      ['errors', { errors: 5 }],
      5,
      [5]
    ]
    const error = reviveError({ name: 'RangeError', message: 'far', properties })
    expect(error).toBeInstanceOf(RangeError)
    expect(error).toMatchObject({ message: 'far', code: 'E', cause: expect.any(Error) })
    expect(`${error}`).toBe('RangeError: far')
    expect('errors' in error).toBe(false)
  })

  it('may hold itself a thousand times, and is one error', () => {
    const record = { name: 'AggregateError', message: 'all', properties: [] as unknown[] }
    record.properties.push(['errors', { errors: Array(1_000).fill(record) }], ['cause', { error: record }])
    const error = reviveError(record) as AggregateError
    expect(error.errors).toEqual([])
    expect(error.cause).toBe(undefined)
    expect(reviveErrors(Array(1_000).fill(record))).toHaveLength(1)
  })

  it('may say that it has billions of properties, or notes', () => {
    const billions: unknown[] = []
    billions.length = 2 ** 32 - 1
    expect(reviveError({ message: 'many', properties: billions }).message).toBe('many')
    expect(reviveErrors(billions).length).toBeLessThanOrEqual(10_000)
  })
})

it('crosses with no more than so many of those that it holds, where they hold each other', () => {
  const all = Array.from({ length: 100 }, () => new AggregateError([], 'of all'))
  for (const one of all) one.errors = all
  const back = crossed(all[0] as AggregateError)
  expect(back.errors.length).toBeGreaterThan(0)
})
