import fc from 'fast-check'
import type { Bounds } from './life-subjects.ts'

/** What becomes of a request, in the order in which they come. */
export type Plan = (typeof plans)[number]
/** Who takes requests. */
export type Loop = (typeof loops)[number]

/** A deadline, and whether it is brought by a signal. */
export interface Deadline {
  readonly deadline: number
  readonly signal: boolean
}

/** Something that is done to a server, and the turns of the loop that pass after it. */
export type Action = { readonly turns: number } & (
  | { readonly does: 'listen'; readonly signal: boolean }
  | { readonly does: 'loop'; readonly loop: Loop; readonly limit: number }
  | { readonly does: 'break'; readonly which: number }
  | { readonly does: 'visit'; readonly packet: string; readonly ends: boolean }
  | { readonly does: 'leave'; readonly which: number; readonly how: 'end' | 'destroy' | 'reset' }
  | { readonly does: 'finish' | 'suspend' | 'resume' | 'abort' }
  | { readonly does: 'limit'; readonly limits: Bounds }
  | { readonly does: 'watch'; readonly open: number }
  | { readonly does: 'close'; readonly deadline: Deadline }
)

/** One life of a server. */
export interface Story {
  readonly bounds: Bounds
  readonly plans: readonly Plan[]
  readonly actions: readonly Action[]
  readonly deadline: number
}

const plans = [
  'answers',
  'echoes',
  'waits',
  'never ends',
  'heeds its signal',
  'says goodbye',
  'throws',
  'aborts',
  'detaches',
  'closes the server',
  'suspends the server',
  'resumes the server',
  'refused',
  'refused late'
] as const

const loops = [
  'bare',
  'bare, to come back',
  'bare, many at once',
  'sequential',
  'parallel',
  'forever',
  'verified',
  'one',
  'one, in time'
] as const

const turns = fc.constantFrom(0, 0, 1, 3)
const which = fc.nat(20)
const few = fc.constantFrom(1, 2, 100)
const bounds: fc.Arbitrary<Bounds> = fc.record({ maxConnections: few, maxPending: few })
const forever = Number.POSITIVE_INFINITY
const deadline: fc.Arbitrary<Deadline> = fc.record({
  deadline: fc.constantFrom(0, 1, forever, forever),
  signal: fc.boolean()
})

function weighted(weight: number, shape: Record<string, fc.Arbitrary<unknown>>) {
  return { weight, arbitrary: fc.record({ turns, ...shape }) as unknown as fc.Arbitrary<Action> }
}

const does = (what: Action['does']) => ({ does: fc.constant(what) })

const action = fc.oneof(
  weighted(3, { ...does('listen'), signal: fc.boolean() }),
  weighted(6, { ...does('loop'), loop: fc.constantFrom(...loops), limit: fc.constantFrom(1, 2, 40) }),
  weighted(1, { ...does('break'), which }),
  weighted(12, { ...does('visit'), packet: fc.constantFrom('', 'a line\n'), ends: fc.boolean() }),
  weighted(4, { ...does('leave'), which, how: fc.constantFrom('end', 'destroy', 'reset') }),
  weighted(3, does('finish')),
  weighted(3, does('suspend')),
  weighted(3, does('resume')),
  weighted(2, { ...does('limit'), limits: bounds }),
  weighted(2, { ...does('watch'), open: fc.nat(3) }),
  weighted(1, { ...does('close'), deadline: deadline }),
  weighted(1, does('abort'))
)

// Most begin as servers do.
const beginning = fc.constantFrom<readonly Action[]>(
  [],
  [{ does: 'listen', signal: false, turns: 3 }],
  [
    { does: 'listen', signal: true, turns: 3 },
    { does: 'loop', loop: 'parallel', limit: 2, turns: 1 }
  ]
)

/** Lives of servers. */
export const story: fc.Arbitrary<Story> = fc
  .record({
    bounds,
    plans: fc.array(fc.constantFrom(...plans), { minLength: 1, maxLength: 8 }),
    beginning,
    rest: fc.array(action, { maxLength: 40, size: 'max' }),
    deadline: fc.constantFrom(0, 1, 20)
  })
  .map(({ beginning, rest, ...others }) => ({ ...others, actions: [...beginning, ...rest] }))
