import { afterEach, beforeEach, expect, onTestFinished } from 'vitest'
import { turns } from './turns.ts'

function listen(): { readonly reasons: unknown[]; readonly stop: () => void } {
  const reasons: unknown[] = []
  const note = (reason: unknown): void => void reasons.push(reason)
  process.on('unhandledRejection', note)
  return { reasons, stop: () => void process.off('unhandledRejection', note) }
}

/** Rejections that nobody handles, from now on until the test has finished. */
export function unhandled(): readonly unknown[] {
  const { reasons, stop } = listen()
  onTestFinished(stop)
  return reasons
}

/** Every test of the file, whatever else it checks, leaves no rejection unhandled. */
export function checkNothingUnhandled(): void {
  let heard: ReturnType<typeof listen>
  beforeEach(() => {
    heard = listen()
  })
  afterEach(async () => {
    await turns(2)
    heard.stop()
    expect(heard.reasons).toEqual([])
  })
}
