import { describe, expect, it } from 'vitest'
import { type Deferred, deferred } from '../../lib/iterator/deferred.ts'
import { HandOff } from '../../lib/iterator/hand-off.ts'
import { microtasks, turns, watch } from '../support/turns.ts'

const done = { done: true, value: undefined }
const item = (value: string): IteratorResult<string> => ({ done: false, value })

/** A hand-off whose source answers when it is told to. */
class Stand {
  readonly arrived: string[] = []
  readonly refused: string[] = []
  readonly asked: Deferred<string | undefined>[] = []
  readonly handOff = new HandOff<string>({
    pull: () => {
      const answer = deferred<string | undefined>()
      this.asked.push(answer)
      return answer.promise
    },
    arrived: (value) => this.arrived.push(value),
    refuse: (value) => this.refused.push(value)
  })

  /** Answer the pull that is under way. */
  async answer(value: string | undefined): Promise<void> {
    this.asked.at(-1)?.resolve(value)
    await microtasks()
  }
}

/** A hand-off over a source that answers at once. */
function sync(...values: (string | undefined)[]): { handOff: HandOff<string>; pulls: () => number; refused: string[] } {
  let pulls = 0
  const refused: string[] = []
  const handOff = new HandOff<string>({
    pull: () => values[pulls++],
    arrived: () => {},
    refuse: (value) => refused.push(value)
  })
  return { handOff, pulls: () => pulls, refused }
}

describe('the readers of a HandOff', () => {
  it('get one item each, in the order in which they asked', async () => {
    const { handOff, asked, arrived, ...stand } = new Stand()
    const readers = [{}, {}, {}].map((owner) => watch(handOff.next(owner)))
    for (const [i, value] of ['a', 'b', 'c'].entries()) {
      expect(asked).toHaveLength(i + 1)
      asked[i]?.resolve(value)
      await microtasks()
      expect(readers.map(({ state }) => state === 'fulfilled')).toEqual(readers.map((_, j) => j <= i))
    }
    expect(readers.map(({ value }) => value)).toEqual([item('a'), item('b'), item('c')])
    expect(arrived).toEqual(['a', 'b', 'c'])
    expect(stand.refused).toEqual([])
    expect(asked).toHaveLength(3)
  })

  it('make the source be pulled only while they wait, and never twice at once', async () => {
    const stand = new Stand()
    await turns()
    expect(stand.asked).toHaveLength(0)
    const readers = [watch(stand.handOff.next({})), watch(stand.handOff.next({}))]
    await turns()
    expect(stand.asked).toHaveLength(1)
    await stand.answer('a')
    expect(stand.asked).toHaveLength(2)
    await stand.answer('b')
    await turns()
    expect(stand.asked).toHaveLength(2)
    expect(readers.map(({ value }) => value)).toEqual([item('a'), item('b')])
  })

  it('leave nothing behind when they give up: what was pulled for them goes to the next', async () => {
    const stand = new Stand()
    const [leaver, stayer] = [{}, {}]
    const left = [watch(stand.handOff.next(leaver)), watch(stand.handOff.next(leaver))]
    const stays = watch(stand.handOff.next(stayer))
    stand.handOff.release(leaver)
    await microtasks()
    expect(left.map(({ value }) => value)).toEqual([done, done])
    expect(stays.state).toBe('pending')
    await stand.answer('a')
    expect(stays.value).toEqual(item('a'))
  })

  it('that come later find what was pulled for those who gave up', async () => {
    const stand = new Stand()
    const leaver = {}
    const left = watch(stand.handOff.next(leaver))
    stand.handOff.release(leaver)
    await stand.answer('a')
    expect(left.value).toEqual(done)
    expect(stand.handOff.kept).toBe(1)
    expect(await stand.handOff.next({})).toEqual(item('a'))
    expect(stand.handOff.kept).toBe(0)
    expect(stand.asked).toHaveLength(1)
  })

  it('can come back after they gave up', async () => {
    const stand = new Stand()
    const owner = {}
    void stand.handOff.next(owner)
    stand.handOff.release(owner)
    const again = watch(stand.handOff.next(owner))
    expect(stand.asked).toHaveLength(1)
    await stand.answer('a')
    expect(again.value).toEqual(item('a'))
  })

  it('get what another gives back, before anything new', async () => {
    const stand = new Stand()
    const first = stand.handOff.next({})
    await stand.answer('a')
    await first
    stand.handOff.giveBack('a')
    expect(stand.handOff.kept).toBe(1)
    expect(await stand.handOff.next({})).toEqual(item('a'))

    const parked = watch(stand.handOff.next({}))
    stand.handOff.giveBack('a')
    await microtasks()
    expect(parked.value).toEqual(item('a'))
    await stand.answer('b')
    expect(stand.handOff.kept).toBe(1)
    expect(await stand.handOff.next({})).toEqual(item('b'))
    expect(stand.arrived).toEqual(['a', 'b'])
  })
})

describe('the end of a HandOff', () => {
  it('wakes every reader, though the source never answers', async () => {
    const { handOff, asked } = new Stand()
    const readers = [watch(handOff.next({})), watch(handOff.next({}))]
    const ended = watch(handOff.whenEnded)
    handOff.end()
    await microtasks()
    expect(readers.map(({ value }) => value)).toEqual([done, done])
    expect(ended.state).toBe('fulfilled')
    expect(await handOff.next({})).toEqual(done)
    expect(asked).toHaveLength(1)
  })

  it('refuses what comes later, and what nobody took', async () => {
    const stand = new Stand()
    const owner = {}
    void stand.handOff.next(owner)
    stand.handOff.release(owner)
    await stand.answer('kept')
    void stand.handOff.next(owner)
    void stand.handOff.next(owner)
    stand.handOff.end()
    expect(stand.refused).toEqual([])
    await stand.answer('late')
    stand.handOff.giveBack('given back')
    expect(stand.arrived).toEqual(['kept', 'late'])
    expect(stand.refused).toEqual(['late', 'given back'])
    expect(stand.handOff.kept).toBe(0)
    expect(stand.asked).toHaveLength(2)
  })

  it('refuses what was kept', async () => {
    const stand = new Stand()
    stand.handOff.giveBack('second')
    stand.handOff.giveBack('first')
    stand.handOff.end()
    stand.handOff.end()
    expect(stand.refused).toEqual(['first', 'second'])
    expect(await stand.handOff.next({})).toEqual(done)
  })

  it('comes from the source, for all', async () => {
    const stand = new Stand()
    const ended = watch(stand.handOff.whenEnded)
    const readers = [watch(stand.handOff.next({})), watch(stand.handOff.next({}))]
    await stand.answer('a')
    expect(ended.state).toBe('pending')
    await stand.answer(undefined)
    expect(readers.map(({ value }) => value)).toEqual([item('a'), done])
    expect(ended.state).toBe('fulfilled')
    expect(await stand.handOff.next({})).toEqual(done)
    expect(stand.asked).toHaveLength(2)
  })
})

describe('a source of a HandOff that fails', () => {
  const dead = new Error('dead')

  it('rejects the readers that wait, and those that come', async () => {
    const stand = new Stand()
    const ended = watch(stand.handOff.whenEnded)
    const readers = [watch(stand.handOff.next({})), watch(stand.handOff.next({}))]
    stand.asked[0]?.reject(dead)
    await microtasks()
    expect(readers.map(({ reason }) => reason)).toEqual([dead, dead])
    await expect(stand.handOff.next({})).rejects.toBe(dead)
    expect(ended.state).toBe('fulfilled')
    expect(stand.asked).toHaveLength(1)
  })

  it('does so where it throws', async () => {
    const handOff = new HandOff<string>({
      pull: () => {
        throw dead
      },
      arrived: () => {},
      refuse: () => {}
    })
    await expect(handOff.next({})).rejects.toBe(dead)
    await expect(handOff.next({})).rejects.toBe(dead)
  })

  it('still lets those read what was given back before', async () => {
    const stand = new Stand()
    const leaver = {}
    void stand.handOff.next(leaver)
    stand.handOff.release(leaver)
    stand.handOff.giveBack('a')
    stand.asked[0]?.reject(dead)
    await microtasks()
    expect(await stand.handOff.next({})).toEqual(item('a'))
    await expect(stand.handOff.next({})).rejects.toBe(dead)
  })

  it('refuses what comes back after it', async () => {
    const stand = new Stand()
    const reader = watch(stand.handOff.next({}))
    stand.asked[0]?.reject(dead)
    await microtasks()
    expect(reader.reason).toBe(dead)
    stand.handOff.giveBack('late')
    expect(stand.refused).toEqual(['late'])
  })

  it('may fail only to say that it has ended', async () => {
    let answer = deferred<string | undefined>()
    const refused: string[] = []
    const handOff = new HandOff<string>({
      pull: () => answer.promise,
      arrived: () => {},
      isEnd: (error) => error !== dead,
      refuse: (value) => refused.push(value)
    })
    handOff.giveBack('kept')
    expect(await handOff.next({})).toEqual(item('kept'))
    const readers = [watch(handOff.next({})), watch(handOff.next({}))]
    const ended = watch(handOff.whenEnded)
    answer.reject(new Error('over'))
    await microtasks()
    expect(readers.map(({ value }) => value)).toEqual([done, done])
    expect(ended.state).toBe('fulfilled')
    expect(await handOff.next({})).toEqual(done)

    answer = deferred<string | undefined>()
    const other = new HandOff<string>({
      pull: () => answer.promise,
      arrived: () => {},
      isEnd: (error) => error !== dead,
      refuse: () => {}
    })
    const reader = other.next({})
    answer.reject(dead)
    await expect(reader).rejects.toBe(dead)
  })

  it('changes nothing after the end', async () => {
    const stand = new Stand()
    void stand.handOff.next({})
    stand.handOff.end()
    stand.asked[0]?.reject(dead)
    await turns()
    expect(await stand.handOff.next({})).toEqual(done)
  })
})

describe('a source of a HandOff that answers at once', () => {
  it('serves a reader without a turn between', async () => {
    const { handOff, pulls } = sync('a', 'b', undefined)
    const first = watch(handOff.next({}))
    expect(pulls()).toBe(1)
    await microtasks(1)
    expect(first.value).toEqual(item('a'))
    expect(await handOff.next({})).toEqual(item('b'))
    expect(await handOff.next({})).toEqual(done)
    expect(await handOff.next({})).toEqual(done)
    expect(pulls()).toBe(3)
  })

  it('serves any number of readers without growing the stack', async () => {
    let pulls = 0
    const first = deferred<string>()
    const handOff = new HandOff<string>({
      pull: () => (pulls++ === 0 ? first.promise : String(pulls)),
      arrived: () => {},
      refuse: () => {}
    })
    const readers = Array.from({ length: 20_000 }, () => handOff.next({}))
    first.resolve('1')
    const results = await Promise.all(readers)
    expect(results.every(({ value }, i) => value === String(i + 1))).toBe(true)
    expect(pulls).toBe(20_000)
  })

  it('may end it while it is asked', async () => {
    const refused: string[] = []
    const handOff: HandOff<string> = new HandOff<string>({
      pull: () => {
        handOff.end()
        return 'late'
      },
      arrived: () => {},
      refuse: (value) => refused.push(value)
    })
    expect(await handOff.next({})).toEqual(done)
    expect(refused).toEqual(['late'])
  })
})
