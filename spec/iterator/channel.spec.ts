import { describe, expect, it } from 'vitest'
import { Channel } from '../../lib/iterator/channel.ts'
import { turns, watch } from '../support/turns.ts'

describe('Channel', () => {
  it('hands items over in order', async () => {
    const channel = new Channel<number>({ maxPending: 100 })
    for (let i = 0; i < 40; i++) expect(channel.offer(i)).toBe(true)
    expect(channel.size).toBe(40)
    for (let i = 0; i < 40; i++) expect(await channel.take()).toBe(i)
    expect(channel.size).toBe(0)
  })

  it('gives an item to the reader that waits', async () => {
    const channel = new Channel<string>({ maxPending: 1 })
    const taking = watch(channel.take())
    await turns()
    expect(taking.state).toBe('pending')
    expect(channel.offer('a')).toBe(true)
    expect(await taking.promise).toBe('a')
    expect(channel.size).toBe(0)
  })

  it('holds no more than its limit: what is over it stays with the caller', async () => {
    const channel = new Channel<string>({ maxPending: 2 })
    expect(['a', 'b', 'c', 'd'].map((letter) => channel.offer(letter))).toEqual([true, true, false, false])
    expect(channel.size).toBe(2)
    expect(await channel.take()).toBe('a')
    expect(channel.offer('e')).toBe(true)
    expect(channel.offer('f')).toBe(false)
    expect([await channel.take(), await channel.take()]).toEqual(['b', 'e'])
  })

  it('ends after what waits', async () => {
    const channel = new Channel<string>({ maxPending: 5 })
    channel.offer('a')
    channel.offer('b')
    channel.end()
    expect(channel.offer('c')).toBe(false)
    expect([await channel.take(), await channel.take()]).toEqual(['a', 'b'])
    expect(await channel.take()).toBe(undefined)
    expect(await channel.take()).toBe(undefined)
  })

  it('ends with an error after what waits, and keeps to it', async () => {
    const dead = new Error('dead')
    const channel = new Channel<string>({ maxPending: 5 })
    channel.offer('a')
    channel.offer('b')
    channel.end(dead)
    channel.end()
    expect(channel.offer('c')).toBe(false)
    expect([await channel.take(), await channel.take()]).toEqual(['a', 'b'])
    await expect(channel.take()).rejects.toBe(dead)
    await expect(channel.take()).rejects.toBe(dead)
  })

  it('wakes the reader that waits: with the end, or with the error', async () => {
    const well = new Channel<string>({ maxPending: 1 })
    const badly = new Channel<string>({ maxPending: 1 })
    const dead = new Error('dead')
    const reading = [watch(well.take()), watch(badly.take())]
    well.end()
    badly.end(dead)
    await turns()
    expect(reading.map(({ state }) => state)).toEqual(['fulfilled', 'rejected'])
    expect(reading[0]?.value).toBe(undefined)
    expect(reading[1]?.reason).toBe(dead)
  })

  it('gives back what waits when it is discarded, in order, and takes nothing more', async () => {
    const channel = new Channel<string>({ maxPending: 40 })
    const letters = 'abcdefghijklmnopqrstuvwxyz'.split('')
    for (const letter of letters) channel.offer(letter)
    expect(await channel.take()).toBe('a')
    const back: string[] = []
    channel.discard((letter) => back.push(letter))
    const taking = watch(channel.take())
    expect(channel.offer('late')).toBe(false)
    await turns()
    expect(back).toEqual(letters.slice(1))
    expect(taking.state).toBe('fulfilled')
    expect(taking.value).toBe(undefined)
    expect(channel.size).toBe(0)
    channel.discard((letter) => back.push(letter))
    await turns()
    expect(back).toHaveLength(25)
  })

  it('wakes the reader that waits when it is discarded', async () => {
    const channel = new Channel<string>({ maxPending: 1 })
    const taking = watch(channel.take())
    channel.discard(() => expect.unreachable())
    await turns()
    expect(taking.state).toBe('fulfilled')
    expect(taking.value).toBe(undefined)
  })

  it('leaves an item that is being taken to its reader', async () => {
    const channel = new Channel<string>({ maxPending: 2 })
    channel.offer('a')
    channel.offer('b')
    const taking = channel.take()
    const back: string[] = []
    channel.discard((letter) => back.push(letter))
    expect(await taking).toBe('a')
    await turns()
    expect(back).toEqual(['b'])
    expect(channel.size).toBe(0)
  })

  it('gives back what waits though it had ended with an error', async () => {
    const dead = new Error('dead')
    const channel = new Channel<string>({ maxPending: 2 })
    channel.offer('a')
    channel.end(dead)
    const back: string[] = []
    channel.discard((letter) => back.push(letter))
    await turns()
    expect(back).toEqual(['a'])
    await expect(channel.take()).rejects.toBe(dead)
  })
})
