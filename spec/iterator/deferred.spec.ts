import { describe, expect, it } from 'vitest'
import { deferred, rejection } from '../../lib/iterator/deferred.ts'
import { turns } from '../support/turns.ts'
import { unhandled } from '../support/unhandled.ts'

describe('deferred', () => {
  it('settles once, as it is told', async () => {
    const well = deferred<number>()
    well.resolve(1)
    well.reject(new Error('late'))
    expect(await well.promise).toBe(1)

    const badly = deferred<number>()
    const error = new Error('no')
    badly.reject(error)
    badly.resolve(1)
    await expect(badly.promise).rejects.toBe(error)
  })

  it('like rejection(), leaves no rejection unhandled, and hides none from those who await it', async () => {
    const reasons = unhandled()
    const error = new Error('no')
    const late = deferred<void>()
    late.reject(error)
    const rejected = rejection(error)
    await turns(2)
    expect(reasons).toEqual([])
    await expect(late.promise).rejects.toBe(error)
    await expect(rejected).rejects.toBe(error)
  })
})
