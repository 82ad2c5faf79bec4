import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type ClosableServer, type CloseOptions, closeOnSignal, type Report } from '../../lib/index.ts'
import { deferred } from '../../lib/iterator/deferred.ts'
import { settled } from '../support/events.ts'
import { watch } from '../support/turns.ts'

// Nobody else in this process wants these.
const signals = ['SIGUSR2', 'SIGHUP'] as const
const [one, other] = signals
const hear = (signal: NodeJS.Signals): void => void process.emit(signal, signal)
const listeners = (): number[] => signals.map((signal) => process.listenerCount(signal))

const report = (aborted = 0): Report => ({ finished: 0, aborted, refused: 0, stillOpen: [] })

/** Keeps the deadlines that it is closed with, and closes when it is told to. */
class Slow implements ClosableServer {
  readonly deadlines: (number | undefined)[] = []
  readonly #closed = deferred<Report>()

  get closed(): Promise<Report> {
    return this.#closed.promise
  }

  close({ deadline }: CloseOptions = {}): Promise<Report> {
    this.deadlines.push(deadline)
    return this.closed
  }

  done(aborted = 0): void {
    this.#closed.resolve(report(aborted))
  }
}

describe('closeOnSignal', () => {
  const exitCode = process.exitCode

  beforeEach(() => {
    process.exitCode = undefined
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
  })

  afterEach(() => {
    vi.runAllTimers()
    vi.useRealTimers()
    vi.restoreAllMocks()
    process.exitCode = exitCode
    expect(listeners()).toEqual([0, 0])
  })

  it('drains at the first signal, cuts off at the second, and has the third do as ever', async () => {
    const kill = vi.spyOn(process, 'kill').mockReturnValue(true)
    const servers = [new Slow(), new Slow()]
    const seen: string[] = []
    const onSignal = (signal: string, action: string): void => void seen.push(`${signal} ${action}`)
    const closing = closeOnSignal(servers, { signals, deadline: 700, onSignal })
    expect(listeners()).toEqual([1, 1])
    hear(one)
    expect(process.exitCode).toBe(undefined)
    vi.advanceTimersByTime(500)
    hear(one)
    expect(process.exitCode).toBe(128 + 12)
    expect(kill).not.toHaveBeenCalled()
    hear(other)
    expect(kill).toHaveBeenCalledExactlyOnceWith(process.pid, other)
    expect(listeners()).toEqual([0, 0])
    for (const server of servers) {
      expect(server.deadlines).toEqual([700, 0])
      server.done()
    }
    expect(seen).toEqual(['SIGUSR2 drain', 'SIGUSR2 cut'])
    expect(await closing).toEqual([report(), report()])
    expect(process.exitCode).toBe(128 + 12)
  })

  it('takes two of a kind that come together for one, and two kinds for two', async () => {
    const server = new Slow()
    const closing = closeOnSignal(server, { signals })
    hear(one)
    vi.advanceTimersByTime(499)
    hear(one)
    hear(one)
    expect(server.deadlines).toEqual([15_000])
    hear(other)
    hear(other)
    expect(server.deadlines).toEqual([15_000, 0])
    expect(process.exitCode).toBe(128 + 1)
    server.done(1)
    expect(await closing).toEqual(report(1))
    expect(process.exitCode).toBe(128 + 1)
  })

  it('lets no late half of a signal end the process that has done as told', async () => {
    const kill = vi.spyOn(process, 'kill')
    const server = new Slow()
    const closing = closeOnSignal(server, { signals })
    hear(one)
    server.done()
    await closing
    expect(listeners()).toEqual([1, 0])
    hear(one)
    vi.advanceTimersByTime(499)
    expect(listeners()).toEqual([1, 0])
    vi.advanceTimersByTime(1)
    expect(listeners()).toEqual([0, 0])
    expect(kill).not.toHaveBeenCalled()
    expect(server.deadlines).toEqual([15_000])
    expect(process.exitCode).toBe(undefined)
  })

  it('leaves nothing behind where the servers close by themselves', async () => {
    const servers = [new Slow(), new Slow()]
    const closing = closeOnSignal(servers, { signals })
    servers[0]?.done(1)
    expect(await settled(closing)).toBe(false)
    expect(listeners()).toEqual([1, 1])
    servers[1]?.done()
    expect(await closing).toEqual([report(1), report()])
    expect(listeners()).toEqual([0, 0])
    expect(process.exitCode).toBe(undefined)
  })

  it('says by the exit code whether the deadline has cut somebody off, where nobody else has said one', async () => {
    for (const [before, aborted, after] of [
      [undefined, 0, undefined],
      [undefined, 2, 1],
      [0, 2, 0],
      [7, 2, 7]
    ] as const) {
      process.exitCode = before
      const server = new Slow()
      const closing = closeOnSignal([server], { signals: [one] })
      hear(one)
      server.done(aborted)
      await closing
      expect(process.exitCode).toBe(after)
      vi.runAllTimers()
    }
    process.exitCode = 7
    const server = new Slow()
    const closing = closeOnSignal(server, { signals })
    hear(one)
    hear(other)
    server.done(1)
    await closing
    expect(process.exitCode).toBe(7)
  })

  it('throws what onSignal throws, when all have closed', async () => {
    const server = new Slow()
    const thrown = new Error('in onSignal')
    const onSignal = (): never => {
      throw thrown
    }
    const closing = watch(closeOnSignal(server, { signals, onSignal }))
    hear(one)
    hear(other)
    await settled(closing.promise)
    expect(closing.state).toBe('pending')
    expect(server.deadlines).toEqual([15_000, 0])
    server.done()
    await expect(closing.promise).rejects.toBe(thrown)
  })

  for (const [how, close] of [
    [
      'throws',
      () => {
        throw new Error('cannot close')
      }
    ],
    ['rejects', () => Promise.reject(new Error('cannot close'))]
  ] as const) {
    it(`does not wait for a server whose close ${how}, and closes the others`, async () => {
      const good = new Slow()
      const bad: ClosableServer = { closed: new Promise(() => {}), close }
      const closing = closeOnSignal([bad, good], { signals })
      hear(one)
      await expect(closing).rejects.toThrow('cannot close')
      expect(good.deadlines).toEqual([15_000])
      good.done()
    })
  }

  it('listens to SIGTERM and SIGINT where nothing is said, and once to each', async () => {
    const server = new Slow()
    const count = (): number[] => ['SIGTERM', 'SIGINT'].map((signal) => process.listenerCount(signal))
    const before = count()
    const closing = closeOnSignal(server)
    expect(count()).toEqual(before.map((many) => many + 1))
    const again = closeOnSignal(server, { signals: [one, one] })
    expect(listeners()).toEqual([1, 0])
    server.done()
    await Promise.all([closing, again])
    expect(count()).toEqual(before)
  })

  it('says what is wrong with its arguments, and listens to nothing then', () => {
    const server = new Slow()
    const wrong =
      (options: object): (() => unknown) =>
      () =>
        closeOnSignal(server, options)
    for (const given of [undefined, null, {}, [server, {}], [[server]]]) {
      expect(() => closeOnSignal(given as never)).toThrow('closeOnSignal takes a server, or an array of them: got')
    }
    expect(() => closeOnSignal([])).toThrow('closeOnSignal takes a server, or an array of them: got none')
    expect(wrong({ deadline: -1 })).toThrow(RangeError)
    expect(wrong({ signals: [] })).toThrow('Option signals must be an array of signals: got []')
    expect(wrong({ signals: 'SIGTERM' })).toThrow('Option signals must be an array of signals: got "SIGTERM"')
    expect(wrong({ signals: ['TERM'] })).toThrow('signals that can be listened to: got "TERM"')
    expect(wrong({ signals: [one, 'SIGKILL'] })).toThrow('signals that can be listened to: got "SIGKILL"')
    expect(wrong({ signals: [7] })).toThrow('signals that can be listened to: got 7')
    expect(wrong({ onSignal: 7 })).toThrow('Option onSignal must be a function: got 7')
    expect(wrong({ dead: 7 })).toThrow('closeOnSignal has no option dead')
    expect(listeners()).toEqual([0, 0])
  })
})

describe('the listeners of closeOnSignal', () => {
  it('go by themselves, half a second after the signal', async () => {
    const server = new Slow()
    const closing = closeOnSignal(server, { signals: [one] })
    process.kill(process.pid, one)
    await once(process, one)
    server.done()
    await closing
    const { promise, resolve } = deferred<void>()
    process.on('removeListener', function gone(event: string) {
      if (event !== one || process.listenerCount(one) > 0) return
      process.off('removeListener', gone)
      resolve()
    })
    // A machine that was very busy has let it pass already.
    if (process.listenerCount(one) === 0) resolve()
    await promise
    expect(process.listenerCount(one)).toBe(0)
  })
})
