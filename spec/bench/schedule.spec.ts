import { describe, expect, it } from 'vitest'
import { schedule } from '../../bench/harness/schedule.ts'

describe('the schedule of those who send now and then', () => {
  const due = schedule(5, [100, 500], 2_000)

  it('has each at its own period, from the least to the most', () => {
    const periods = [0, 1, 2, 3, 4].map((client) => {
      const times = due.filter((item) => item.client === client).map(({ at }) => at)
      return new Set(times.slice(1).map((at, index) => Math.round(at - (times[index] as number))))
    })
    expect(periods).toEqual([100, 200, 300, 400, 500].map((period) => new Set([period])))
  })

  it('is sorted, within the duration, and begins for each within its first period', () => {
    expect(due.map(({ at }) => at)).toEqual(due.map(({ at }) => at).sort((a, b) => a - b))
    expect(due.at(-1)?.at).toBeLessThan(2_000)
    for (let client = 0; client < 5; client++) {
      expect(due.find((item) => item.client === client)?.at).toBeLessThan(100 + client * 100)
    }
  })

  it('is the same each time, and works for one and for none', () => {
    expect(schedule(5, [100, 500], 2_000)).toEqual(due)
    expect(schedule(1, [100, 500], 250).map(({ at }) => at)).toEqual([0, 100, 200])
    expect(schedule(0, [100, 500], 250)).toEqual([])
  })
})
