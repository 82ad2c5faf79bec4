import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Goal } from '../harness/benchmark.ts'
import type { FigureSummary } from '../harness/figures.ts'
import type { Pair } from '../harness/pairs.ts'
import type { Summary } from '../harness/summary.ts'
import type { KeptSoak } from './soak-plot.ts'

/** What a file of results says of a row; summary or figures only if it was run */
export interface KeptRow {
  work: string
  unit?: string
  ours: string
  rival: string
  at?: number
  goal?: Goal
  pairs?: Pair[]
  summary?: Summary
  figures?: FigureSummary
}

/** A file of results, as the suite writes it */
export interface KeptResult {
  name: string
  machine: { node: string; processor: string; cores: number }
  rows: KeptRow[]
  /** Where it is no benchmark but a soak */
  soak?: KeptSoak
}

/** The results of a folder, by the benchmark's name */
export type Kept = ReadonlyMap<string, KeptResult>

export async function readResults(folder: string): Promise<Kept> {
  const kept = new Map<string, KeptResult>()
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.json')).sort()) {
    const result = JSON.parse(await readFile(join(folder, file), 'utf8')) as KeptResult
    kept.set(result.name, result)
  }
  return kept
}
