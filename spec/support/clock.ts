import { onTestFinished, vi } from 'vitest'
import { turns } from './turns.ts'

/** The time, which passes only when a test says so: until its end. */
export interface Clock {
  /** So many milliseconds pass, a few at a time, and what is due meanwhile happens. */
  pass(milliseconds: number): Promise<void>
  /** It is the real time again; the end of the test says so too. */
  goOn(): void
}

const step = 5

/**
 * Stop the time. Make servers before: they are closed in real time then.
 *
 * It is that of `setTimeout` and `performance.now()`; sockets go on by themselves.
 */
export function stopClock(): Clock {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  let now = performance.now()
  const asked = vi.spyOn(performance, 'now').mockImplementation(() => now)
  const goOn = (): void => {
    asked.mockRestore()
    vi.useRealTimers()
  }
  onTestFinished(goOn)
  return {
    goOn,
    async pass(milliseconds) {
      for (let left = milliseconds; left > 0; left -= step) {
        const passed = Math.min(step, left)
        now += passed
        await vi.advanceTimersByTimeAsync(passed)
        await turns(2)
      }
    }
  }
}
