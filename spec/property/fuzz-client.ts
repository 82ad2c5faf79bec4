import { once } from 'node:events'
import type { Socket } from 'node:net'
import fc from 'fast-check'
import { turns } from '../support/turns.ts'

/** What a client does. */
export interface ClientPlan {
  /** Sizes of its writes. */
  readonly writes: readonly number[]
  /** What it does between two: nothing, wait where it is told to, let turns pass, wait for something to come. */
  readonly pause: 'none' | 'drain' | 'turns' | 'data'
  /** How it reads: all at once, from a while later on, in between with turns of silence, or never. */
  readonly reads: 'all' | 'late' | 'slowly' | 'never'
  /** How it goes: it ends its output and stays for the rest; or it goes after the write of that number. */
  readonly goes: 'ends' | 'resets' | 'is destroyed'
  readonly after: number
}

const size = fc.oneof(
  { arbitrary: fc.integer({ min: 1, max: 64 }), weight: 5 },
  { arbitrary: fc.integer({ min: 65, max: 5_000 }), weight: 4 },
  { arbitrary: fc.integer({ min: 5_001, max: 300_000 }), weight: 1 }
)

/** Clients that stay to the end. */
export const patient: fc.Arbitrary<ClientPlan> = fc.record({
  writes: fc.array(size, { minLength: 1, maxLength: 8 }),
  pause: fc.constantFrom('none', 'drain', 'turns', 'data'),
  reads: fc.constantFrom('all', 'late', 'slowly'),
  goes: fc.constant('ends'),
  after: fc.constant(0)
})

/** Clients that go in the middle. */
export const impatient: fc.Arbitrary<ClientPlan> = fc.record({
  writes: fc.array(size, { minLength: 1, maxLength: 8 }),
  pause: fc.constantFrom('none', 'turns', 'data'),
  reads: fc.constantFrom('all', 'late', 'slowly', 'never'),
  goes: fc.constantFrom('resets', 'is destroyed'),
  after: fc.nat(7)
})

/** What a client got, and how that ended: well, by an error, or by its own going. */
export interface Got {
  readonly bytes: Buffer
  readonly end: 'end' | 'gone' | NodeJS.ErrnoException
}

/** All that a plan sends. */
export function lengthOf({ writes }: ClientPlan): number {
  return writes.reduce((sum, each) => sum + each, 0)
}

/** Have a client do what it plans; settles when it has gone. */
export async function play(socket: Socket, plan: ClientPlan, bytes: Buffer): Promise<Got> {
  const chunks: Buffer[] = []
  let end: Got['end'] = 'gone'
  const over = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  const ended = new Promise<void>((resolve) => socket.once('end', resolve))
  socket.on('error', (error) => {
    end = error
  })
  if (plan.reads === 'never') socket.pause()
  else
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      if (plan.reads !== 'slowly') return
      socket.pause()
      void turns(2).then(() => socket.resume())
    })
  if (plan.reads === 'late') {
    socket.pause()
    void turns(100).then(() => socket.resume())
  }
  for (let at = 0, i = 0; i < plan.writes.length && socket.writable; i++) {
    const next = at + (plan.writes[i] as number)
    const fits = socket.write(bytes.subarray(at, next))
    at = next
    if (plan.goes !== 'ends' && i === plan.after) break
    if (plan.pause === 'drain' && !fits) await Promise.race([once(socket, 'drain').catch(() => {}), over])
    else if (plan.pause === 'turns') await turns(2)
    else if (plan.pause === 'data') await Promise.race([once(socket, 'data').catch(() => {}), turns(10), over])
  }
  if (plan.goes === 'ends') {
    socket.end(bytes.subarray(lengthOf(plan)))
    await Promise.race([ended, over])
    if (end === 'gone') end = 'end'
    await over
  } else if (plan.goes === 'resets' && socket.remoteAddress !== undefined && !socket.destroyed) {
    // Where the peer has closed already, no 'close' follows.
    socket.resetAndDestroy()
  } else socket.destroy()
  return { bytes: Buffer.concat(chunks), end }
}
