import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { LimitExceededError, type MessageRequest, type Permit, parallel, Semaphore } from '../../lib/index.ts'
import { microtasks, watch } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

/** Callers in a row, and the order in which they got their permits. */
function row(semaphore: Semaphore, many: number) {
  const got: number[] = []
  const permits: Permit[] = []
  for (let i = 0; i < many; i++) {
    void semaphore.acquire().then((permit) => {
      got.push(i)
      permits.push(permit)
    })
  }
  return { got, permits }
}

describe('a semaphore', () => {
  it('hands out as many permits as there are, first come, first served', async () => {
    const semaphore = new Semaphore(2)
    const { got, permits } = row(semaphore, 5)
    await microtasks()
    expect(got).toEqual([0, 1])
    expect(semaphore).toMatchObject({ permits: 2, taken: 2, available: 0, waiting: 3 })
    permits[1]?.release()
    await microtasks()
    expect(got).toEqual([0, 1, 2])
    permits[0]?.release()
    permits[2]?.release()
    await microtasks()
    expect(got).toEqual([0, 1, 2, 3, 4])
    expect(semaphore).toMatchObject({ taken: 2, waiting: 0 })
    for (const permit of permits) permit.release()
    expect(semaphore).toMatchObject({ taken: 0, available: 2 })
  })

  it('takes a permit back once', async () => {
    const semaphore = new Semaphore(3)
    const permit = await semaphore.acquire()
    await semaphore.acquire()
    permit.release()
    permit.release()
    permit[Symbol.dispose]()
    expect(semaphore.taken).toBe(1)
  })

  it('takes it back at the end of the block', async () => {
    const semaphore = new Semaphore(1)
    {
      using permit = await semaphore.acquire()
      expect(semaphore.taken).toBe(1)
      expect(permit).toBeDefined()
    }
    expect(semaphore.taken).toBe(0)
  })

  it('gives one at once, where nobody waits for it', async () => {
    const semaphore = new Semaphore(1)
    const permit = semaphore.tryAcquire()
    expect(semaphore.tryAcquire()).toBeUndefined()
    const waiting = semaphore.acquire()
    permit?.release()
    expect(semaphore.tryAcquire()).toBeUndefined()
    ;(await waiting).release()
    expect(semaphore.tryAcquire()).toBeDefined()
  })

  it('gives none past the line, to one that is called by it either', async () => {
    const semaphore = new Semaphore(1)
    const permit = await semaphore.acquire()
    const tried: unknown[] = []
    const source: AsyncIterableIterator<MessageRequest> = {
      next: () => {
        tried.push(semaphore.tryAcquire())
        return new Promise(() => {})
      },
      [Symbol.asyncIterator]: () => source
    }
    const outcomes = parallel(() => {}, { limit: semaphore })(source)
    void outcomes.next()
    const waiting = watch(semaphore.acquire())
    permit.release()
    expect(tried).toEqual([undefined])
    await microtasks()
    expect(waiting.state).toBe('fulfilled')
    await outcomes.return?.()
  })

  it('wakes as many as it is raised by', async () => {
    const semaphore = new Semaphore(0)
    const { got } = row(semaphore, 5)
    await microtasks()
    expect(got).toEqual([])
    semaphore.permits = 3
    await microtasks()
    expect(got).toEqual([0, 1, 2])
    semaphore.permits = Number.POSITIVE_INFINITY
    await microtasks()
    expect(got).toEqual([0, 1, 2, 3, 4])
    expect(semaphore).toMatchObject({ taken: 5, available: Number.POSITIVE_INFINITY })
  })

  it('drains where it is lowered, and takes nothing from anybody', async () => {
    const semaphore = new Semaphore(3)
    const { got, permits } = row(semaphore, 5)
    await microtasks()
    semaphore.permits = 1
    expect(semaphore).toMatchObject({ permits: 1, taken: 3, available: 0 })
    permits[0]?.release()
    permits[1]?.release()
    await microtasks()
    expect(got).toEqual([0, 1, 2])
    permits[2]?.release()
    await microtasks()
    expect(got).toEqual([0, 1, 2, 3])
    expect(semaphore.taken).toBe(1)
  })

  it('lets the place of one go that gives up', async () => {
    const semaphore = new Semaphore(1)
    const permit = await semaphore.acquire()
    const giving = new AbortController()
    const gone = watch(semaphore.acquire({ signal: giving.signal }))
    const next = watch(semaphore.acquire())
    expect(semaphore.waiting).toBe(2)
    const why = new Error('not any more')
    giving.abort(why)
    await microtasks()
    expect(gone).toMatchObject({ state: 'rejected', reason: why })
    expect(semaphore.waiting).toBe(1)
    permit.release()
    await microtasks()
    expect(next.state).toBe('fulfilled')
    expect(semaphore.taken).toBe(1)
  })

  it('leaves nothing on the signal, and knows one that has aborted', async () => {
    const semaphore = new Semaphore(1)
    const permit = await semaphore.acquire()
    const { signal } = new AbortController()
    const later = semaphore.acquire({ signal })
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    permit.release()
    await later
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    const why = new Error('before')
    await expect(semaphore.acquire({ signal: AbortSignal.abort(why) })).rejects.toBe(why)
    expect(semaphore.waiting).toBe(0)
  })

  it('is not owed anything by one who gives up and does not look', async () => {
    const semaphore = new Semaphore(0)
    const giving = new AbortController()
    void semaphore.acquire({ signal: giving.signal })
    giving.abort()
    void semaphore.acquire({ signal: giving.signal })
    await microtasks()
    expect(semaphore.waiting).toBe(0)
  })

  it('lets so many wait, and says so to the next', async () => {
    const semaphore = new Semaphore(0, { maxWaiting: 2 })
    const { got } = row(semaphore, 2)
    const error = await semaphore.acquire().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(LimitExceededError)
    expect(error).toMatchObject({ limit: 2, message: 'Cannot wait for a permit: 2 wait already, which is maxWaiting' })
    semaphore.permits = 1
    await microtasks()
    expect(got).toEqual([0])
    row(semaphore, 1)
    expect(semaphore.waiting).toBe(2)
  })

  it.each([undefined, null, '3', {}])('takes no %j for a number of permits', (permits) => {
    expect(() => new Semaphore(permits as never)).toThrow(TypeError)
    const semaphore = new Semaphore(1)
    expect(() => {
      semaphore.permits = permits as never
    }).toThrow(/^Option permits must be a number: got /)
    expect(semaphore.permits).toBe(1)
  })

  it.each([-1, 1.5, Number.NaN, Number.NEGATIVE_INFINITY])('takes no %d for a number of permits', (permits) => {
    expect(() => new Semaphore(permits)).toThrow(RangeError)
    const semaphore = new Semaphore(1)
    expect(() => {
      semaphore.permits = permits
    }).toThrow(/^Option permits must be an integer of at least 0, or Infinity: got /)
    expect(semaphore.permits).toBe(1)
  })

  it('knows its options', () => {
    expect(() => new Semaphore(1, { maxWaiters: 1 } as never)).toThrow('Semaphore has no option maxWaiters')
    expect(() => new Semaphore(1, { maxWaiting: -1 })).toThrow(RangeError)
    const semaphore = new Semaphore(1)
    expect(() => semaphore.acquire({ timeout: 1 } as never)).toThrow('acquire has no option timeout')
    expect(() => semaphore.acquire({ signal: {} as never })).toThrow('Option signal must be an AbortSignal')
    expect(semaphore.taken).toBe(0)
  })
})
