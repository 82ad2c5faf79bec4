import { type FigureRow, isFigureRow, type Row } from './benchmark.ts'
import type { TurnReport } from './load-turns.ts'
import { notedAs } from './notes.ts'
import { quantile } from './spread.ts'

/** What the turns of one side of a pair came to */
export interface Run {
  units: number
  seconds: number
  /** Microseconds of the server's processor time per unit */
  cpuPerUnit: number
  unitsPerSecond: number
  /** Processors kept busy: 1 is one core */
  busy: { server: number; load: number; others: number }
  /** By name; of a row of figures */
  figures?: Record<string, number>
}

export function runOf(row: Row, turns: TurnReport[]): Run {
  const total = (value: (turn: TurnReport) => number): number => turns.reduce((sum, turn) => sum + value(turn), 0)
  const units = total((turn) => turn.units)
  const seconds = total((turn) => turn.seconds)
  const serverCPU = total((turn) => turn.serverCPU)
  return {
    units,
    seconds,
    cpuPerUnit: (serverCPU / units) * 1e6,
    unitsPerSecond: units / seconds,
    busy: {
      server: serverCPU / seconds,
      load: total((turn) => turn.loadCPU) / seconds,
      others: total((turn) => turn.otherCPU) / seconds
    },
    ...(isFigureRow(row) ? { figures: figuresOf(row, turns) } : {})
  }
}

function figuresOf(row: FigureRow, turns: TurnReport[]): Record<string, number> {
  const notes = turns.map((turn) => turn.notes ?? {})
  return Object.fromEntries(
    row.figures.map(({ name, noted, quantile: share }) => {
      const values = notedAs(noted, notes)
      if (values.length === 0) throw new Error(`Cannot tell ${name}: nothing was noted for it`)
      return [
        name,
        quantile(
          [...values].sort((a, b) => a - b),
          share
        )
      ]
    })
  )
}
