import { afterEach, describe, expect, it, vi } from 'vitest'
import { LazySignal } from '../../lib/iterator/lazy-signal.ts'

afterEach(() => vi.unstubAllGlobals())

describe('LazySignal', () => {
  it('makes no controller before somebody asks for the signal', () => {
    let made = 0
    const Real = AbortController
    vi.stubGlobal(
      'AbortController',
      class extends Real {
        constructor() {
          super()
          made++
        }
      }
    )
    const lazy = new LazySignal()
    expect(lazy.aborted).toBe(false)
    expect(lazy.reason).toBe(undefined)
    lazy.abort(new Error('enough'))
    expect(lazy.aborted).toBe(true)
    expect(made).toBe(0)
    expect(lazy.signal.aborted).toBe(true)
    expect(made).toBe(1)
    expect(lazy.signal).toBe(lazy.signal)
    expect(made).toBe(1)
  })

  it('aborts the signal that somebody has, once', () => {
    const lazy = new LazySignal()
    const { signal } = lazy
    const heard: unknown[] = []
    signal.addEventListener('abort', () => heard.push(signal.reason))
    expect(signal.aborted).toBe(false)
    const reason = new Error('enough')
    lazy.abort(reason)
    lazy.abort(new Error('more than enough'))
    expect(heard).toEqual([reason])
    expect(lazy.signal).toBe(signal)
    expect(lazy.reason).toBe(reason)
  })

  it('gives the first reason to a signal that is made later', () => {
    const lazy = new LazySignal()
    const reason = new Error('enough')
    lazy.abort(reason)
    lazy.abort(new Error('more than enough'))
    expect(lazy.reason).toBe(reason)
    expect(lazy.signal.aborted).toBe(true)
    expect(lazy.signal.reason).toBe(reason)
  })
})
