import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { drawKept } from '../drawing/draw-plots.ts'
import type { KeptResult } from '../drawing/kept-results.ts'
import { drawSoak } from '../drawing/soak-plot.ts'
import { resultsFolder } from '../harness/kept-results.ts'
import { describeMachine } from '../harness/machine.ts'
import { root } from '../harness/repository.ts'
import type { Found } from './campaign.ts'
import type { SoakOptions } from './options.ts'
import type { Totals } from './totals.ts'

const passing = '.build/soak'

/** Writes what was found, with a picture of it; answers with where */
export async function writeSoak(options: SoakOptions, totals: Totals, { groups, exhaustions }: Found): Promise<string> {
  const { minutes, seed, transports, modes, keep } = options
  const { clients, ends, faults, excuses, servers, refusedBy, droppedBy, abortedBy, deployments } = totals
  const result = {
    name: 'soak',
    question: 'What does a server lose, miscount or keep after minutes of load and faults?',
    date: new Date().toISOString(),
    machine: describeMachine() as Record<string, string | number> & KeptResult['machine'],
    // Those of benchmarks: there is nothing to compare here.
    rows: [],
    soak: {
      ...{ minutes, seed, transports, modes, passed: !totals.failed, failures: [...totals.failures.keys()] },
      ...{ deployments, clients, ends, faults, excuses, servers, refusedBy, droppedBy, abortedBy },
      ...{ exhaustions, groups }
    }
  }
  const folder = keep ? resultsFolder(process.versions.node.split('.', 1)[0] as string) : passing
  const text = `${JSON.stringify(result, rounded, 1)}\n`
  await mkdir(join(root, folder), { recursive: true })
  await writeFile(join(root, folder, 'soak.json'), text)
  if (keep) return `Written to ${folder}/soak.json\n${await drawKept()}`
  await writeFile(join(root, folder, 'soak.svg'), drawSoak(result.machine, JSON.parse(text).soak))
  return `Written to ${folder}/soak.json, drawn in ${folder}/soak.svg\n`
}

function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value
}
