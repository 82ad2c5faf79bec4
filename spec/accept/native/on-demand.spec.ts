import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest'
import { OnDemand } from '../../../lib/accept/native/on-demand.ts'
import { acceptError } from '../../../lib/events.ts'
import type { AcceptErrorEvent } from '../../../lib/index.ts'
import { overhear } from '../../support/events.ts'
import { unixPair } from '../../support/raw-peer.ts'
import { turns, watch } from '../../support/turns.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const failed = (code: string): NodeJS.ErrnoException => Object.assign(new Error(`accept4 ${code}`), { code })

/** One whose calls fail so, one after the other; then it takes a thing. It has something to read all the time. */
function intake(codes: string[]): { onDemand: OnDemand<string>; tries: () => number } {
  const { fd, peer } = unixPair()
  peer.send('x')
  let tries = 0
  const onDemand = new OnDemand<string>(fd, {
    take() {
      tries++
      const code = codes.shift()
      if (code !== undefined) throw failed(code)
      return 'taken'
    },
    fatal: (error) => new Error('dead', { cause: error }),
    troubled: (error, verdict) => acceptError.publish({ error, verdict })
  })
  onTestFinished(() => onDemand.close([]))
  return { onDemand, tries: () => tries }
}

it.for(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'])(
  'tries again after 100 ms, then more and more seldom: %s',
  async (code) => {
    using errors = overhear<AcceptErrorEvent>('accept-error')
    const { onDemand, tries } = intake(Array(10).fill(code))
    const next = watch(Promise.resolve(onDemand.next()))
    await turns(2)
    expect(tries()).toBe(1)
    const told: number[] = []
    for (const pause of [100, 200, 400, 800, 1_000, 1_000, 1_000, 1_000, 1_000]) {
      const before = tries()
      // Whatever else happens: nobody tries before.
      await turns(3)
      vi.advanceTimersByTime(pause - 1)
      await turns(3)
      expect(tries()).toBe(before)
      told.push(errors.messages.length)
      vi.advanceTimersByTime(1)
      await turns()
      expect(tries()).toBe(before + 1)
    }
    // At once, and then once a second.
    expect(told).toEqual([1, 1, 1, 1, 1, 2, 3, 4, 5])
    expect(
      errors.messages.every(({ verdict, error }) => verdict === 'wait' && (error as { code: string }).code === code)
    ).toBe(true)
    expect(next.state).toBe('pending')
    vi.advanceTimersByTime(1_000)
    await turns()
    expect(next.value).toBe('taken')
    // It begins anew.
    expect(await onDemand.next()).toBe('taken')
  }
)

it('tells of another shortage at once, though it waits already', async () => {
  using errors = overhear<AcceptErrorEvent>('accept-error')
  const { onDemand } = intake(['EMFILE', 'EMFILE', 'ENOMEM', 'ENOMEM'])
  const next = watch(Promise.resolve(onDemand.next()))
  await turns(2)
  for (const pause of [100, 200, 400, 800]) {
    vi.advanceTimersByTime(pause)
    await turns()
  }
  expect(errors.messages).toMatchObject([{ error: { code: 'EMFILE' } }, { error: { code: 'ENOMEM' } }])
  expect(next.value).toBe('taken')
})

it.for(['ECONNABORTED', 'EPROTO', 'EPERM', 'ECONNREFUSED', 'EINTR'])('goes on at once: %s', async (code) => {
  using errors = overhear<AcceptErrorEvent>('accept-error')
  const { onDemand } = intake([code, code])
  expect(await onDemand.next()).toBe('taken')
  expect(errors.messages.map(({ verdict }) => verdict)).toEqual(code === 'EINTR' ? [] : ['skip', 'skip'])
})

it.for(['EBADF', 'ENOTSOCK', 'ESOMETHING'])('is dead: %s, at once or while somebody waits', async (code) => {
  using errors = overhear<AcceptErrorEvent>('accept-error')
  const { onDemand } = intake([code, 'EMFILE', code])
  await expect(Promise.resolve(onDemand.next())).rejects.toThrow('dead')
  const next = watch((async () => onDemand.next())())
  await turns(2)
  vi.advanceTimersByTime(100)
  await turns()
  expect(next.reason).toMatchObject({ message: 'dead', cause: { code } })
  expect(errors.messages.map(({ verdict }) => verdict)).toEqual(['fatal', 'wait', 'fatal'])
})

it('ends well where it is closed while it waits for a shortage to pass', async () => {
  const { onDemand, tries } = intake(['EMFILE'])
  const next = onDemand.next()
  await turns(2)
  onDemand.close([])
  expect(await next).toBe(undefined)
  vi.advanceTimersByTime(10_000)
  await turns(3)
  expect(tries()).toBe(1)
})
