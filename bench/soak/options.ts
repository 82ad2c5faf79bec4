import { parseArgs } from 'node:util'
import { type Choice, type ServingMode, servingModes, type Transport, transports } from './subject.ts'

export interface SoakOptions extends Choice {
  readonly minutes: number
  readonly seed: number
  readonly keep: boolean
  readonly help: boolean
}

const longest = 7 * 24 * 60

export const usage = `Usage: npm run soak -- [options]

Serves a mixed load by every transport, in every mode, for some minutes, while clients and servers have faults of every
kind, and says whether anything was lost, miscounted or left behind. Exit code 0: nothing was.

  --minutes N       how long; 2 by default, 0.05 is enough to see whether it runs
  --seed N          repeats the choices of another run (not its timing)
  --transport NAME  only that one: ${transports.join(', ')}; may be given again
  --mode NAME       only that one: ${servingModes.join(', ')};
                    may be given again
  --keep            keep the result in bench/results and bench/plots, not in .build/soak
  --help            this
`

/** What the command line says. Throws where it can't be understood. */
export function readSoakOptions(args: string[]): SoakOptions {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: 'string', default: '2' },
      seed: { type: 'string' },
      transport: { type: 'string', multiple: true },
      mode: { type: 'string', multiple: true },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  const { transport, mode, keep, help } = values
  const minutes = Number(values.minutes)
  if (!(minutes > 0 && minutes <= longest))
    throw new RangeError(`--minutes ${values.minutes} is not a number from 0 to ${longest}`)
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(values.seed)
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32)
    throw new RangeError(`--seed ${values.seed} is not a whole number of 32 bits`)
  return {
    minutes,
    seed,
    keep,
    help,
    transports: chosen<Transport>('transport', transport, transports),
    modes: chosen<ServingMode>('mode', mode, servingModes)
  }
}

function chosen<N extends string>(option: string, given: string[] | undefined, all: readonly N[]): readonly N[] {
  if (given === undefined) return all
  for (const name of given) {
    if (!(all as readonly string[]).includes(name))
      throw new RangeError(`There is no --${option} ${name}: there are ${all.join(', ')}`)
  }
  return all.filter((name) => given.includes(name))
}
