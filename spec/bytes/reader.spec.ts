import { describe, expect, it } from 'vitest'
import { ByteReader } from '../../lib/bytes/reader.ts'
import { AbortedError, BusyError, ClosedError, LimitExceededError, UnexpectedEOFError } from '../../lib/errors.ts'
import { microtasks, watch } from '../support/turns.ts'

function over(...chunks: string[]): ByteReader {
  const reader = new ByteReader()
  for (const chunk of chunks) reader.push(Buffer.from(chunk))
  reader.end()
  return reader
}

async function text(reading: Promise<Buffer | undefined>): Promise<string | undefined> {
  return (await reading)?.toString()
}

describe('a ByteReader', () => {
  it('reads what it is asked for, in order', async () => {
    const reader = over('GET /', 'x HTTP\r', '\nkey=value;rest')
    expect(await text(reader.peek(3))).toBe('GET')
    expect(await text(reader.readExactly(4))).toBe('GET ')
    expect(await text(reader.readLine({ chomp: true }))).toBe('/x HTTP')
    expect(await text(reader.readUntil('='))).toBe('key=')
    expect(await text(reader.readUntil(Buffer.from(';')))).toBe('value;')
    reader.unread('the ')
    expect(await text(reader.read(6))).toBe('the re')
    expect(await text(reader.readAll())).toBe('st')
    expect(reader.ended).toBe(true)
  })

  it('says the end in the way of each question', async () => {
    const reader = over()
    expect(await reader.read()).toBe(undefined)
    expect(await reader.readExactly(1)).toBe(undefined)
    expect(await reader.readLine()).toBe(undefined)
    expect(await reader.readUntil('x')).toBe(undefined)
    expect(await reader.peek(1)).toEqual(Buffer.alloc(0))
    expect(await reader.readAll()).toEqual(Buffer.alloc(0))
    expect(await reader.lines().next()).toEqual({ done: true, value: undefined })
    expect(await reader[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined })
  })

  it('gives back what was in hand', async () => {
    for (const reading of [over('abc').readExactly(4), over('ab', 'c').readUntil('x')]) {
      const error = await reading.then(
        () => undefined,
        (reason: unknown) => reason
      )
      expect(error).toBeInstanceOf(UnexpectedEOFError)
      expect((error as UnexpectedEOFError).partial.toString()).toBe('abc')
    }
  })

  it('finds a delimiter that begins within a beginning of itself', async () => {
    expect(await text(over('aaa', 'aab').readUntil('aab'))).toBe('aaaaab')
    expect(await text(over('abab', 'abac').readUntil('abac'))).toBe('abababac')
  })

  it('has limits that count the terminator', async () => {
    expect(await text(over('abc\n').readLine({ limit: 4 }))).toBe('abc\n')
    await expect(over('abcd\n').readLine({ limit: 4 })).rejects.toThrow(LimitExceededError)
    expect(await text(over('ab--').readUntil('--', { limit: 4 }))).toBe('ab--')
    await expect(over('abc--').readUntil('--', { limit: 4 })).rejects.toThrow(LimitExceededError)
    expect(await text(over('abcd').readAll({ limit: 4 }))).toBe('abcd')
    await expect(over('abcd').readAll({ limit: 3 })).rejects.toThrow(LimitExceededError)
  })

  it('checks a limit before it waits for more, and leaves the bytes readable', async () => {
    const reader = new ByteReader()
    const reading = watch(reader.readLine({ limit: 4 }))
    reader.push(Buffer.from('abc'))
    await microtasks()
    expect(reading.state).toBe('pending')
    reader.push(Buffer.from('d'))
    await microtasks()
    expect(reading.reason).toMatchObject({ code: 'ERR_LIMIT_EXCEEDED', limit: 4 })
    expect(await text(reader.read())).toBe('abcd')
  })

  it('refuses a second read while one waits, and the first goes on', async () => {
    const reader = new ByteReader()
    const first = reader.readLine()
    await expect(reader.read()).rejects.toThrow(BusyError)
    await expect(reader.peek(0)).rejects.toThrow(BusyError)
    await expect(reader.lines().next()).rejects.toThrow(BusyError)
    expect(() => reader.unread('x')).toThrow(BusyError)
    reader.push(Buffer.from('line\n'))
    expect(await text(first)).toBe('line\n')
  })

  it('lets a batch be all that has come since the last', async () => {
    const reader = new ByteReader()
    const batches = reader[Symbol.asyncIterator]()
    const next = async (): Promise<string> => Buffer.from((await batches.next()).value.subarray()).toString()
    reader.push(Buffer.from('a'))
    reader.push(Buffer.from('b'))
    expect(await next()).toBe('ab')
    const parked = next()
    reader.push(Buffer.from('c'))
    reader.push(Buffer.from('d'))
    expect(await parked).toBe('c')
    expect(await next()).toBe('d')
  })

  it('does not remember of bytes that are gone that no line ended in them', async () => {
    const reader = new ByteReader()
    const batches = reader[Symbol.asyncIterator]()
    const half = async (): Promise<void> => {
      const lines = reader.lines()
      void lines.next()
      reader.push(Buffer.from('half a line'))
      await lines.return?.()
    }
    await half()
    await batches.next()
    reader.push(Buffer.from('a\n'))
    expect(await text(reader.readLine())).toBe('a\n')
    await half()
    await expect(reader.readLine({ limit: 5 })).rejects.toThrow(LimitExceededError)
    expect(await text(reader.read(6))).toBe('half a')
    reader.unread('\n')
    expect(await text(reader.readLine())).toBe('\n')
  })

  it('leaves the rest readable when a loop is left', async () => {
    const reader = over('one\ntwo\nthree')
    for await (const line of reader.lines()) {
      expect(line.toString()).toBe('one\n')
      break
    }
    expect(await text(reader.readLine())).toBe('two\n')
    for await (const batch of reader) expect(Buffer.from(batch.subarray()).toString()).toBe('three')
  })

  it('wakes a loop that is left while it waits, and can be read again', async () => {
    const reader = new ByteReader()
    const lines = reader.lines()
    const parked = lines.next()
    await lines.return?.()
    expect(await parked).toEqual({ done: true, value: undefined })
    const reading = reader.read()
    reader.push(Buffer.from('x'))
    expect(await text(reading)).toBe('x')
    expect(await lines.next()).toEqual({ done: true, value: undefined })
  })

  it('tells when nobody iterates any more', async () => {
    const told: string[] = []
    const reader = over('a\nb\nc\n')
    reader.lines()
    reader.whenIdle(() => told.push('unread'))
    expect(told).toEqual(['unread'])
    const one = reader.lines()
    const two = reader.lines()
    await one.next()
    await two.next()
    reader.whenIdle(() => told.push('idle'))
    await one.return?.()
    await one.return?.()
    expect(told).toEqual(['unread'])
    expect((await two.next()).done).toBe(false)
    expect(told).toEqual(['unread'])
    expect((await two.next()).done).toBe(true)
    expect(told).toEqual(['unread', 'idle'])
  })

  it('tells that nobody iterates any more when the input fails', async () => {
    let idle = false
    const reader = new ByteReader()
    const lines = reader.lines()
    const parked = lines.next()
    reader.whenIdle(() => {
      idle = true
    })
    reader.fail(new Error('gone'))
    await expect(parked).rejects.toThrow('gone')
    expect(idle).toBe(true)
    expect(await lines.next()).toEqual({ done: true, value: undefined })
  })

  it('knows whether anybody has asked for a byte', async () => {
    const reader = over('x')
    const lines = reader.lines()
    expect(reader.used).toBe(false)
    await lines.next()
    expect(reader.used).toBe(true)
  })

  it('takes nothing wrong', () => {
    const reader = over('abc')
    for (const n of [0, -1, 1.5, Number.NaN]) expect(() => reader.read(n)).toThrow(RangeError)
    for (const n of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => reader.readExactly(n)).toThrow(RangeError)
      expect(() => reader.peek(n)).toThrow(RangeError)
    }
    for (const limit of [0, -1, 1.5]) {
      expect(() => reader.readLine({ limit })).toThrow(RangeError)
      expect(() => reader.lines({ limit })).toThrow(RangeError)
      expect(() => reader.readUntil('x', { limit })).toThrow(RangeError)
    }
    expect(() => reader.readAll({ limit: -1 })).toThrow(RangeError)
    expect(() => reader.readUntil('')).toThrow(RangeError)
    expect(() => reader.readUntil(10 as never)).toThrow(TypeError)
    expect(() => reader.read('1' as never)).toThrow(TypeError)
    expect(() => reader.unread(1 as never)).toThrow(TypeError)
    expect(reader.used).toBe(false)
  })

  it('wants to be told how many bytes exactly', async () => {
    const reader = over('abc')
    expect(() => reader.readExactly(undefined as never)).toThrow()
    expect(() => reader.peek(undefined as never)).toThrow()
    expect(reader.length).toBe(3)
  })
})

describe('the end of a ByteReader', () => {
  const gone = new AbortedError('gone', 'peer-gone')
  const closed = new ClosedError('closed')

  it('by an error comes after what had come', async () => {
    const reader = new ByteReader()
    reader.push(Buffer.from('line\nrest'))
    reader.fail(gone)
    expect(await text(reader.readLine())).toBe('line\n')
    await expect(reader.readLine()).rejects.toBe(gone)
    await expect(reader.readExactly(5)).rejects.toBe(gone)
    await expect(reader.readAll()).rejects.toBe(gone)
    expect(await text(reader.read())).toBe('rest')
    await expect(reader.read()).rejects.toBe(gone)
    expect(reader.ended).toBe(false)
  })

  it('by an error wakes the read that waits', async () => {
    const reader = new ByteReader()
    const reading = reader.readExactly(4)
    reader.push(Buffer.from('ab'))
    reader.fail(gone)
    await expect(reading).rejects.toBe(gone)
    expect(await text(reader.read())).toBe('ab')
  })

  it('is the first one: an input that has ended cannot fail', async () => {
    const reader = over('x')
    reader.fail(gone)
    expect(await text(reader.readAll())).toBe('x')
    expect(await reader.read()).toBe(undefined)
  })

  it('is the first one: an input that has failed cannot end well', async () => {
    const reader = new ByteReader()
    reader.fail(gone)
    reader.end()
    await expect(reader.read()).rejects.toBe(gone)
    expect(reader.ended).toBe(false)
  })

  it('by close() drops what had come', async () => {
    const reader = new ByteReader()
    reader.push(Buffer.from('dropped'))
    reader.close(closed)
    expect(reader.length).toBe(0)
    await expect(reader.read()).rejects.toBe(closed)
    await expect(reader.lines().next()).rejects.toBe(closed)
    expect(() => reader.unread('x')).toThrow(closed)
  })

  it('by close() wakes the read that waits', async () => {
    const reader = new ByteReader()
    const reading = reader.readLine()
    reader.push(Buffer.from('dropped'))
    reader.close(closed)
    await expect(reading).rejects.toBe(closed)
    expect(reader.length).toBe(0)
  })

  it('by close() is none that the input has come to, though that ends later', async () => {
    const reader = new ByteReader()
    reader.close(closed)
    reader.end()
    await expect(reader.read()).rejects.toBe(closed)
    expect(reader.ended).toBe(false)
  })

  it('by close() does not pass what it drops for the end of the input', async () => {
    const reader = over('dropped')
    reader.close(closed)
    expect(reader.ended).toBe(false)
    await expect(reader.readAll()).rejects.toBe(closed)
  })

  it('is made an error only when somebody runs into it', async () => {
    for (const how of ['close', 'fail'] as const) {
      let made = 0
      const reader = new ByteReader()
      reader[how](() => {
        made++
        return closed
      })
      expect(made).toBe(0)
      await expect(reader.read()).rejects.toBe(closed)
      expect(made).toBe(1)
    }
  })

  it('that was read stays the end after close()', async () => {
    const reader = over('x')
    await reader.readAll()
    reader.close(closed)
    expect(await reader.read()).toBe(undefined)
    expect(reader.ended).toBe(true)
  })
})
