import type { Row } from './benchmark.ts'
import { Contender } from './contender.ts'
import type { Pair } from './pairs.ts'
import { type Run, runOf } from './run.ts'
import type { Side } from './side.ts'

/** Runs rows to show that they work: each side with each load once, however many rows it stands in, both at the same time */
export class Rehearsal {
  readonly #runs = new Map<string, Promise<Run>>()
  readonly #seconds: number

  constructor(seconds: number) {
    this.#seconds = seconds
  }

  async pairOf(row: Row): Promise<Pair> {
    const [ours, rival] = await Promise.all([this.#runOf(row.ours, row), this.#runOf(row.rival, row)])
    return { ours, rival }
  }

  #runOf(side: Side, row: Row): Promise<Run> {
    const key = JSON.stringify([side.command, side.args, row.load, 'figures' in row && row.figures])
    let run = this.#runs.get(key)
    if (run === undefined) {
      run = rehearse(side, row, this.#seconds)
      this.#runs.set(key, run)
    }
    return run
  }
}

async function rehearse(side: Side, row: Row, seconds: number): Promise<Run> {
  await using contender = await Contender.start(side, row)
  return runOf(row, [await contender.work(seconds)])
}
