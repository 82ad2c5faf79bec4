import { known, milliseconds } from '../arguments.ts'
import { toError } from '../outcome.ts'
import { Trial } from './trial.ts'

/** How a kit is run. */
export interface KitOptions {
  /** Registers a case: `it` of vitest, `test` of `node:test`. By default the cases run one after the other, at once. */
  readonly test?: (name: string, run: () => Promise<void>) => unknown
  /** Milliseconds after which what has not come never will: 5 seconds by default. */
  readonly patience?: number
}

/** One of the things that a kit checks. */
export interface KitCase<S> {
  /** A sentence whose subject is what is checked: `ends the accept that waits`. */
  readonly name: string
  /** Whether it can be asked of this subject; always by default. */
  readonly when?: (subject: S) => boolean
  /** Throws where it does not hold. */
  readonly run: (trial: Trial, subject: S) => Promise<void>
}

/**
 * Run the cases of a kit, or register them.
 *
 * @param kit - the name of the function
 * @param subject - what is checked
 * @param cases - all of them
 * @param options - how
 */
export async function runKit<S extends { readonly name: string }>(
  kit: string,
  subject: S,
  cases: readonly KitCase<S>[],
  options: KitOptions
): Promise<void> {
  known(kit, options, ['test', 'patience'])
  const patience = milliseconds('patience', options.patience, 5_000, 1)
  const mine = cases.filter(({ when }) => when?.(subject) ?? true)
  const run = (one: KitCase<S>): Promise<void> => runCase(one, subject, new Trial(patience))
  if (options.test !== undefined) {
    for (const one of mine) options.test(`${subject.name} ${one.name}`, () => run(one))
    return
  }
  const failures: Error[] = []
  for (const one of mine) await run(one).catch((error: unknown) => failures.push(toError(error)))
  if (failures.length === 0) return
  const sentences = failures.map(({ message }) => message).join('\n')
  throw new AggregateError(failures, `${failures.length} of ${mine.length} cases do not hold:\n${sentences}`)
}

async function runCase<S extends { readonly name: string }>(
  { name, run }: KitCase<S>,
  subject: S,
  trial: Trial
): Promise<void> {
  try {
    // Each wait of a case has its bound; what calls back into user code may have none.
    await trial.soon('the case comes to an end', run(trial, subject), 3)
  } catch (thrown) {
    const { message } = toError(thrown)
    throw new Error(`This does not hold: ${subject.name} ${name} (${message})`, {
      cause: thrown
    })
  } finally {
    await trial.end()
  }
}
