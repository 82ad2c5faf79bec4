import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import { describe, it } from 'vitest'
import { libcMissing } from '../../lib/accept/native/libc.ts'
import { reactor } from '../../lib/accept/native/reactor.ts'
import { turns } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'
import { Life } from './life.ts'
import { same } from './life-ledger.ts'
import { type Story, story } from './life-plan.ts'
import { type Kind, subjects } from './life-subjects.ts'
import { runs } from './runs.ts'

checkNothingUnhandled()

/** What keeps the process alive, and its descriptors. */
function held(): Record<string, number> {
  const held: Record<string, number> = { descriptors: readdirSync('/proc/self/fd').length }
  for (const kind of process.getActiveResourcesInfo()) {
    // What waits for a turn is how this waits, too.
    if (kind !== 'Immediate') held[kind] = (held[kind] ?? 0) + 1
  }
  return held
}

/** Whether no more is held than before, once what is on its way has gone. */
async function givesBack(before: Record<string, number>): Promise<void> {
  const more = (): Record<string, number> =>
    Object.fromEntries(Object.entries(held()).filter(([kind, many]) => many > (before[kind] ?? 0)))
  for (let i = 0; i < 2_000 && Object.keys(more()).length > 0; i++) await turns()
  same('what is held more than before', more(), {})
}

async function live({ bounds, plans, actions, deadline }: Story, kind: Kind): Promise<void> {
  const before = held()
  {
    using life = new Life(subjects[kind](bounds), plans)
    for (const action of actions) await life.act(action)
    await life.end(deadline)
  }
  await givesBack(before)
}

// What is made once, and stays.
if (libcMissing() === undefined) reactor()

// Milliseconds for all of a kind, whatever hangs: then what has been found is told, with its seed.
const timeLimit = 12_000
const usual = 60

describe.for(Object.keys(subjects) as Kind[])('the life of a server: %s', (kind) => {
  it('adds up, whatever is done to it and whoever comes, and leaves nothing behind', async () => {
    const numRuns = runs(kind.startsWith('TLS') ? 15 : usual)
    const limited = fc.interruptAfterTimeLimit(timeLimit + Math.max(0, numRuns - usual) * 100)
    await fc.assert(
      fc.asyncProperty(story, (told) => live(told, kind)),
      { numRuns, plugins: [limited] }
    )
  })
})
