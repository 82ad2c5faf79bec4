import type { TurnReport } from './load-turns.ts'

/** What the turns of one side of a pair came to */
export interface Run {
  units: number
  seconds: number
  /** Microseconds of the server's processor time per unit */
  cpuPerUnit: number
  unitsPerSecond: number
  /** Processors kept busy: 1 is one core */
  busy: { server: number; load: number; others: number }
}

export function runOf(turns: TurnReport[]): Run {
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
    }
  }
}
