import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HandOff } from '../../lib/iterator/hand-off.ts'
import { microtasks, type Watched, watch } from '../support/turns.ts'
import { runs } from './runs.ts'

const owner = fc.nat(3)
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ does: fc.constant('next' as const), owner }) },
  { weight: 5, arbitrary: fc.record({ does: fc.constant('answer' as const), owner }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('release' as const), owner }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('give back' as const), owner }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('end' as const), owner }) }
)

describe('HandOff against two queues', () => {
  it('gives each item to one reader, in turn, or refuses it', async () => {
    const sync = fc.array(fc.boolean(), { minLength: 1, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60, size: 'max' }), sync, async (actions, answersAtOnce) => {
        const owners = [{}, {}, {}, {}]
        const arrived: number[] = []
        const refused: number[] = []
        const held: number[] = []
        let pulls = 0
        let answer: ((value: number) => void) | undefined
        let pulledTwice = false
        const handOff = new HandOff<number>({
          pull: () => {
            pulledTwice ||= answer !== undefined
            const value = pulls++
            if (answersAtOnce[value % answersAtOnce.length] === true) return value
            return new Promise((resolve) => {
              answer = () => resolve(value)
            })
          },
          arrived: (value) => arrived.push(value),
          refuse: (value) => refused.push(value)
        })
        const waiting: { owner: number; reader: Watched<IteratorResult<number, undefined>> }[] = []
        let ended = false
        const collect = async (): Promise<void> => {
          await microtasks(3)
          // Nobody who asked later is served before one who asked first.
          const served = waiting.findIndex(({ reader }) => reader.state === 'pending')
          const over = waiting.splice(0, served === -1 ? waiting.length : served)
          expect(waiting.every(({ reader }) => reader.state === 'pending')).toBe(true)
          for (const { reader } of over) {
            if (reader.value?.done === true) expect(ended).toBe(true)
            else held.push(reader.value?.value as number)
          }
        }
        for (const step of actions) {
          switch (step.does) {
            case 'next':
              waiting.push({ owner: step.owner, reader: watch(handOff.next(owners[step.owner] as object)) })
              break
            case 'answer': {
              const late = answer
              answer = undefined
              late?.(0)
              break
            }
            case 'release': {
              handOff.release(owners[step.owner] as object)
              await microtasks(3)
              const left = waiting.filter((one) => one.owner === step.owner)
              expect(left.every(({ reader }) => reader.value?.done === true)).toBe(true)
              waiting.splice(0, waiting.length, ...waiting.filter((one) => one.owner !== step.owner))
              break
            }
            case 'give back': {
              const back = held.shift()
              if (back !== undefined) handOff.giveBack(back)
              break
            }
            case 'end':
              ended = true
              handOff.end()
          }
          await collect()
          expect(pulledTwice).toBe(false)
          // Somebody waits only for a source that has been asked, and that keeps nothing back.
          if (waiting.length > 0) expect([answer !== undefined, handOff.kept]).toEqual([true, 0])
          // Each item that has arrived is in exactly one place.
          expect(held.length + refused.length + handOff.kept).toBe(arrived.length)
          expect(new Set([...held, ...refused]).size).toBe(held.length + refused.length)
          if (ended) expect([waiting.length, handOff.kept]).toEqual([0, 0])
          else expect(refused).toEqual([])
        }
        answer?.(0)
        handOff.end()
        await microtasks(3)
        expect(arrived).toHaveLength(pulls)
        expect([...held, ...refused, ...waiting.flatMap(({ reader }) => reader.value?.value ?? [])].sort()).toEqual(
          [...arrived].sort()
        )
      }),
      { numRuns: runs(300) }
    )
  })
})
