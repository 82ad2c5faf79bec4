import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { StreamWriter } from '../../lib/bytes/stream-writer.ts'
import { FakeOutlet } from '../bytes/fake-outlet.ts'
import { microtasks, turns, type Watched, watch } from '../support/turns.ts'
import { runs } from './runs.ts'

const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      does: fc.constant('write' as const),
      size: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constant(70_000))
    })
  },
  { weight: 4, arbitrary: fc.record({ does: fc.constant('sent' as const) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('turn' as const) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('flush' as const) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('end' as const) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('fail' as const), sending: fc.boolean() }) }
)

describe('StreamWriter against a tally', () => {
  it('sends every byte once and in order, and lets wait exactly those who must', async () => {
    const marks = fc.record({
      mark: fc.integer({ min: 1, max: 60 }),
      maxQueue: fc.oneof(fc.integer({ min: 1, max: 150 }), fc.constant(1e9))
    })
    await fc.assert(
      fc.asyncProperty(marks, fc.array(action, { maxLength: 50, size: 'max' }), async ({ mark, maxQueue }, actions) => {
        const outlet = new FakeOutlet()
        const writer = new StreamWriter(outlet)
        writer.highWaterMark = mark
        writer.maxQueue = maxQueue
        const gone = new Error('gone')
        let written = ''
        let left = 0
        let overflows = 0
        let failed = false
        let ended = false
        let lost = false
        // Each with what must be left, at most, for it to be over.
        const waiting: { watched: Watched<void>; until?: number; upTo?: number }[] = []
        const endings: Watched<void>[] = []
        const fail = (): void => {
          if (failed) return
          failed = true
          lost = written.length > left
        }
        for (const step of actions) {
          switch (step.does) {
            case 'write': {
              const bytes = String.fromCharCode(97 + (written.length % 26)).repeat(step.size)
              const before = written.length - left
              const watched = watch(writer.write(bytes))
              if (failed || ended || before > Math.max(maxQueue, mark)) {
                await microtasks()
                expect((watched.reason as Error).name).toBe(
                  failed ? 'Error' : ended ? 'ClosedError' : 'LimitExceededError'
                )
                if (!failed && !ended) overflows++
              } else {
                written += bytes
                waiting.push({ watched, until: mark })
              }
              break
            }
            case 'sent':
              if (!outlet.busy) break
              if (!failed) left += outlet.sends.at(-1)?.bytes ?? 0
              outlet.sent()
              break
            case 'turn':
              await turns()
              break
            case 'flush': {
              const watched = watch(writer.flush())
              if (failed) {
                await microtasks()
                expect(watched.reason).toBe(gone)
              } else waiting.push({ watched, upTo: written.length })
              break
            }
            case 'end':
              endings.push(watch(writer.end()))
              ended = true
              break
            case 'fail':
              fail()
              if (step.sending && outlet.busy) outlet.sent(gone)
              else writer.fail(gone)
          }
          await microtasks()
          const length = written.length - left
          expect(writer.length).toBe(failed ? 0 : length)
          for (const { watched, until, upTo } of waiting) {
            if (watched.state === 'rejected') expect(watched.reason).toBe(gone)
            else if (!failed) {
              const over = upTo === undefined ? length <= (until ?? 0) : left >= upTo
              expect(watched.state).toBe(over ? 'fulfilled' : 'pending')
            } else expect(watched.state).toBe('fulfilled')
          }
          // One that is over stays over.
          waiting.splice(0, waiting.length, ...waiting.filter(({ watched }) => watched.state === 'pending'))
        }
        await turns()
        while (outlet.busy) {
          if (!failed) left += outlet.sends.at(-1)?.bytes ?? 0
          outlet.sent()
        }
        await microtasks()
        expect(written.startsWith(outlet.text)).toBe(true)
        if (!failed) {
          expect(outlet.text.length).toBe(written.length)
          expect(waiting.filter(({ watched }) => watched.state === 'pending')).toEqual([])
        }
        expect(outlet.overflows).toHaveLength(overflows)
        expect(outlet.finishes).toBeLessThanOrEqual(ended ? 1 : 0)
        if (ended && !failed) {
          expect(outlet.finishes).toBe(1)
          expect(endings.every(({ state }) => state === 'pending')).toBe(true)
          outlet.finished()
          await microtasks()
        }
        for (const { state, reason } of endings) {
          expect(state).toBe(lost ? 'rejected' : 'fulfilled')
          if (lost) expect(reason).toBe(gone)
        }
      }),
      { numRuns: runs(300) }
    )
  })
})
