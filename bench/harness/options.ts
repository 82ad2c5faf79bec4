import { parseArgs } from 'node:util'
import type { Plan } from './pairs.ts'
import { smokeTiming, usualTiming } from './timing.ts'

export interface Options extends Plan {
  names: string[]
  /** Parts of the names of rivals; all rows where there are none */
  rivals: string[]
  /** The Node to measure on: its binary, `newest`, or `this` for the one that runs the suite */
  node: string
  smoke: boolean
  noise: boolean
  help: boolean
}

const usualPairs = 7

export const usage = `npm run bench [-- name… [--rival NAME]… [--node WHICH] [--pairs N] [--seconds S] [--noise] [--smoke] [--help]]

Measures this package against its rivals, each side a process of its own, in interleaved pairs, and keeps what it
finds in bench/results/, for each Node by itself, drawn in bench/plots/. Without a name it runs every benchmark. Needs Linux, and two cores
that are idle otherwise; Python, Deno and Bun for the rivals that they run (npm run bench:rivals installs the last two,
and the newest Node). What is not there is skipped. \`npm run bench:plots\` draws what is kept once more.

  --rival NAME  only the rows whose rival has this in its name or runtime, such as bun; others keep what was found before
  --node WHICH  measures ours and the rivals of Node on another Node: its binary, or newest for the one of bench:rivals
  --pairs N     pairs for each row of the table, 5 at least (default ${usualPairs})
  --seconds S   measured time of each side of a pair (default ${usualTiming.measured}); warm-up comes on top
  --noise       runs each rival against itself: how far from 1.00 chance alone leads; keeps nothing
  --smoke       runs everything once, for an instant, to show that it works; keeps nothing
`

export function readOptions(args: string[]): Options {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      rival: { type: 'string', multiple: true, default: [] },
      node: { type: 'string', default: 'this' },
      pairs: { type: 'string' },
      seconds: { type: 'string' },
      noise: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false, short: 'h' }
    }
  })
  const { smoke, noise, help, node } = values
  const chosen = { names: positionals, rivals: values.rival, node, smoke, noise, help }
  if (smoke) return { ...chosen, pairs: 1, timing: smokeTiming }
  const pairs = readNumber('--pairs', values.pairs, usualPairs)
  if (!Number.isInteger(pairs) || pairs < 5)
    throw new RangeError('Cannot take --pairs: at least 5 are needed for a median')
  const measured = readNumber('--seconds', values.seconds, usualTiming.measured)
  return { ...chosen, pairs, timing: { ...usualTiming, measured } }
}

function readNumber(name: string, text: string | undefined, usual: number): number {
  const value = text === undefined ? usual : Number(text)
  if (!(value > 0 && value <= 600)) throw new RangeError(`Cannot take ${name}: ${text} is not a number from 0 to 600`)
  return value
}
