import type { Run } from '../harness/run.ts'
import { type Spread, spreadOf } from '../harness/spread.ts'
import { keyOf } from './card.ts'
import { conditions } from './conditions.ts'
import { type Compared, type DotPlot, drawDots } from './dot-plot.ts'
import { drawGrowth, type GrowthPlot, type GrowthPoint } from './growth-plot.ts'
import type { Kept, KeptResult, KeptRow } from './kept-results.ts'
import { bytes } from './numbers.ts'
import { drawRatios, type RatioBar } from './ratio-plot.ts'
import { drawSoak } from './soak-plot.ts'

export interface Plot {
  /** Its file is named after it */
  name: string
  /** The picture as SVG; undefined where the results do not have what it shows */
  draw: (kept: Kept) => string | undefined
}

export const plots: Plot[] = [
  { name: 'rivals', draw: rivals },
  growth('connections', {
    title: 'What does a message cost where there are 1 to 10,000 connections?',
    subtitle: 'Echo of 64 B, one message under way on each connection.',
    x: { name: 'connections (× ours : rival)', base: 10, format: thousands },
    y: { name: 'CPU of the server, µs for each message' }
  }),
  growth('sizes', {
    title: 'What does a message of 16 B to 1 MiB cost?',
    subtitle: 'Echo on 16 connections, one message under way on each.',
    x: { name: 'size of a message (× ours : rival)', base: 16, format: bytes },
    y: { name: 'CPU of the server, µs for each message', log: true }
  }),
  growth('limits', {
    title: 'What does a connection cost where a limit of 1 to 10,000 is always reached?',
    subtitle: 'Connect, a line, its answer, close; idle connections take what 64 leave of the limit.',
    x: { name: 'limit of parallel() (× ours : rival)', base: 10, format: thousands },
    y: { name: 'CPU of the server, µs for each connection' }
  }),
  growth('pipelining', {
    title: 'What does a line cost where 1 to 64 are pipelined?',
    subtitle: 'Lines of 32 B on 64 connections; ours: one await readLine() a line, node:net: one write() a line.',
    x: { name: 'lines that are sent together (× ours : rival)', base: 4, format: thousands },
    y: { name: 'CPU of the server, µs for each line', log: true }
  }),
  { name: 'modes', draw: modes },
  { name: 'cores', draw: cores },
  { name: 'idle', draw: idle },
  { name: 'fairness', draw: fairness },
  { name: 'soak', draw: soak }
]

const better = 'Lower is better; half of the runs lie within the band.'

function thousands(value: number): string {
  return value.toLocaleString('en')
}

// Works in the order in which the suite has them; those of a series have plots of their own.
const order = ['echo', 'lines', 'connect', 'datagrams']

function rivals(kept: Kept): string | undefined {
  const place = ({ name }: KeptResult): number => (order.includes(name) ? order.indexOf(name) : order.length)
  const results = [...kept.values()]
    // A process for each request costs a thousand times what a request costs: modes have plots of their own.
    .filter(({ name }) => name !== 'modes')
    .sort((a, b) => place(a) - place(b))
    .filter((result) => barsOf(result).length > 0)
  if (results.length === 0) return undefined
  const text = {
    title: 'What does it-socketserver cost, where the rival’s cost is 1?',
    subtitle: 'CPU of the server for a unit of work. Lower is better; half of the pairs lie within the whiskers.',
    footer: conditions(results)
  }
  return drawRatios(text, results.flatMap(barsOf))
}

// Rivals of one work stand together, whatever stands between their rows.
function barsOf({ name, rows }: KeptResult): RatioBar[] {
  const bars = rows.flatMap((row) => barOf(name, row))
  const headings = [...new Set(bars.map(({ heading }) => heading))]
  return headings.flatMap((heading) => bars.filter((bar) => bar.heading === heading))
}

function barOf(benchmark: string, { work, rival, at, goal, summary }: KeptRow): RatioBar[] {
  if (at !== undefined || summary === undefined) return []
  const heading = `${benchmark}: ${work}`
  if (goal?.measure !== 'throughput') return [{ heading, name: rival, ratio: summary.ratio.cpu }]
  return [{ heading: `${heading} (time)`, name: rival, ratio: inverse(summary.ratio.throughput) }]
}

function inverse({ median, lower, upper, least, most }: Spread): Spread {
  return { median: 1 / median, lower: 1 / upper, upper: 1 / lower, least: 1 / most, most: 1 / least }
}

type GrowthText = Pick<GrowthPlot, 'title' | 'subtitle' | 'x' | 'y'>

function growth(name: string, text: GrowthText): Plot {
  return { name, draw: (kept) => drawSeries(kept.get(name), text) }
}

function drawSeries(result: KeptResult | undefined, { subtitle, ...text }: GrowthText): string | undefined {
  const points = result?.rows.flatMap(pointOf) ?? []
  const [first] = result?.rows ?? []
  if (result === undefined || first === undefined || points.length < 2) return undefined
  const { ours, rival } = first
  return drawGrowth({ ...text, subtitle: `${subtitle}\n${better}`, footer: conditions([result]), ours, rival, points })
}

function pointOf({ at, pairs, summary }: KeptRow): GrowthPoint[] {
  if (at === undefined || pairs === undefined || summary === undefined) return []
  const spread = (side: 'ours' | 'rival'): Spread => spreadOf(pairs.map((pair) => pair[side].cpuPerUnit))
  return [{ x: at, ours: spread('ours'), rival: spread('rival'), ratio: summary.ratio.cpu }]
}

const computing = 'computing, '

function modes(kept: Kept): string | undefined {
  return dots(kept.get('modes'), {
    title: 'What does a connection cost in each mode?',
    subtitle:
      'Connect, a line, its answer, close: CPU of the server, all its processes together. Lower is better; half of the\n' +
      'runs lie within a bar.',
    unit: 'CPU, µs for each connection',
    log: true,
    found: (row) => (row.work.startsWith(computing) ? [] : comparedOf(row, row.work, ({ cpuPerUnit }) => cpuPerUnit))
  })
}

function cores(kept: Kept): string | undefined {
  return dots(kept.get('modes'), {
    title: 'What do more cores do for a handler that computes?',
    subtitle:
      'Connect, a line, 5 ms of computing, its answer, close. Higher is better; half of the runs lie within a bar.',
    unit: 'connections a second',
    found: (row) =>
      row.work.startsWith(computing)
        ? comparedOf(row, row.work.slice(computing.length), ({ unitsPerSecond }) => unitsPerSecond)
        : []
  })
}

function comparedOf({ rival, pairs }: KeptRow, heading: string, value: (run: Run) => number): Compared[] {
  if (pairs === undefined) return []
  const spread = (side: 'ours' | 'rival'): Spread => spreadOf(pairs.map((pair) => value(pair[side])))
  return [{ name: rival, heading, ours: spread('ours'), rival: spread('rival') }]
}

function soak(kept: Kept): string | undefined {
  const result = kept.get('soak')
  return result?.soak === undefined ? undefined : drawSoak(result.machine, result.soak)
}

const connections = /^([\d,]+) connections, /

function idle(kept: Kept): string | undefined {
  return dots(kept.get('idle'), {
    title: 'What memory does an idle connection take?',
    subtitle:
      'Growth of the server since its start, for each connection, after a garbage collection. Lower is better; half of\n' +
      'the runs lie within a bar. Where connections are few, what the process takes for itself counts for more.',
    unit: 'KiB for each connection',
    found: ({ work, figures }) =>
      connections.test(work)
        ? (figures?.found ?? []).map(({ name, ...found }) => ({ name, heading: work, ...found }))
        : []
  })
}

const latency = 'answered after, '

function fairness(kept: Kept): string | undefined {
  return dots(kept.get('fairness'), {
    title: 'How long do 990 connections wait while 10 others flood?',
    subtitle:
      'From when a line of 64 B was due to when its answer is there. Lower is better; half of the runs lie within a bar.',
    unit: 'milliseconds',
    log: true,
    found: ({ work, figures }) =>
      (figures?.found ?? [])
        .filter(({ name }) => name.startsWith(latency))
        .map(({ name, ...found }) => ({ name: name.slice(latency.length), heading: work, ...found }))
  })
}

interface DotsText extends Pick<DotPlot, 'title' | 'subtitle' | 'unit' | 'log'> {
  found: (row: KeptRow) => Compared[]
}

function dots(result: KeptResult | undefined, { found, subtitle, ...text }: DotsText): string | undefined {
  const compared = result?.rows.flatMap(found) ?? []
  const [first] = result?.rows ?? []
  if (result === undefined || first === undefined || compared.length === 0) return undefined
  // Where rivals are many their names stand at the lines.
  const others = new Set(result.rows.map(({ rival }) => rival)).size > 1
  const key = keyOf(first.ours, others ? 'the rival' : first.rival)
  return drawDots({ ...text, subtitle: `${subtitle}\n${key}`, footer: conditions([result]), compared })
}
