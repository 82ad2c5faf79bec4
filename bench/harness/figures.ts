import type { FigureRow } from './benchmark.ts'
import type { Pair } from './pairs.ts'
import { type Spread, spreadOf } from './spread.ts'
import { disturbanceWarnings } from './summary.ts'

/** What the pairs say of one figure */
export interface FigureFound {
  name: string
  unit: string
  atMost?: number | undefined
  ratioAtMost?: number | undefined
  ours: Spread
  rival: Spread
  /** Ours / rival, taken pair by pair; left out where a rival's is 0 */
  ratio?: Spread
  reached: boolean | undefined
}

/** What the pairs of a row of figures say */
export interface FigureSummary {
  found: FigureFound[]
  warnings: string[]
}

export function summarizeFigures(row: FigureRow, pairs: Pair[]): FigureSummary {
  const found = row.figures.map(({ name, unit, atMost, ratioAtMost }) => {
    const values = pairs.map((pair) => [pair.ours.figures?.[name] ?? NaN, pair.rival.figures?.[name] ?? NaN] as const)
    const ours = spreadOf(values.map(([own]) => own))
    const rival = spreadOf(values.map(([, other]) => other))
    const comparable = values.every(([, other]) => other > 0)
    const ratio = comparable ? spreadOf(values.map(([own, other]) => own / other)) : undefined
    return {
      name,
      unit,
      atMost,
      ratioAtMost,
      ours,
      rival,
      ...(ratio === undefined ? {} : { ratio }),
      reached: isReached({ atMost, ratioAtMost }, ours, ratio)
    }
  })
  const others = pairs.flatMap(({ ours, rival }) => [ours.busy.others, rival.busy.others])
  return { found, warnings: disturbanceWarnings(spreadOf(others).median) }
}

function isReached(
  { atMost, ratioAtMost }: Pick<FigureFound, 'atMost' | 'ratioAtMost'>,
  ours: Spread,
  ratio: Spread | undefined
): boolean | undefined {
  if (atMost === undefined && ratioAtMost === undefined) return undefined
  return ours.median <= (atMost ?? Infinity) && (ratioAtMost === undefined || (ratio?.median ?? NaN) <= ratioAtMost)
}
