import type { FigureRow } from './benchmark.ts'
import type { Pair } from './pairs.ts'
import { type Spread, spreadOf } from './spread.ts'
import { disturbanceWarnings } from './summary.ts'

interface FigureFound {
  name: string
  unit: string
  atMost?: number | undefined
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
  const found = row.figures.map(({ name, unit, atMost }) => {
    const values = pairs.map((pair) => [pair.ours.figures?.[name] ?? NaN, pair.rival.figures?.[name] ?? NaN] as const)
    const ours = spreadOf(values.map(([own]) => own))
    const rival = spreadOf(values.map(([, other]) => other))
    const comparable = values.every(([, other]) => other > 0)
    return {
      name,
      unit,
      atMost,
      ours,
      rival,
      ...(comparable ? { ratio: spreadOf(values.map(([own, other]) => own / other)) } : {}),
      reached: atMost === undefined ? undefined : ours.median <= atMost
    }
  })
  const others = pairs.flatMap(({ ours, rival }) => [ours.busy.others, rival.busy.others])
  return { found, warnings: disturbanceWarnings(spreadOf(others).median) }
}
