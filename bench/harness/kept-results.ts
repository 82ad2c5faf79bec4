import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Goal } from './benchmark.ts'
import type { FigureSummary } from './figures.ts'
import type { Pair, Plan } from './pairs.ts'
import { benchFolder } from './repository.ts'
import type { Summary } from './summary.ts'

/** What a file in bench/results/ holds */
export interface KeptResults {
  name: string
  question: string
  /** When it was written; a row that was kept from before has a date of its own */
  date: string
  machine: Record<string, string | number>
  plan: Plan
  rows: KeptRow[]
}

export interface KeptRow {
  work: string
  /** Of a row of work */
  unit?: string
  ours: string
  rival: string
  /** What the rival runs on, with its version */
  runtime?: string
  load: unknown
  goal?: Goal | undefined
  date?: string
  pairs?: Pair[]
  summary?: Summary
  figures?: FigureSummary
  skipped?: string
}

/** Where the results on a Node of a major version are, in the repository: what one measures says nothing of another */
export function resultsFolder(major: string | number): string {
  return `bench/results/node-${major}`
}

export async function readResults(folder: string, name: string): Promise<KeptResults | undefined> {
  try {
    return JSON.parse(await readFile(join(benchFolder, '..', folder, `${name}.json`), 'utf8')) as KeptResults
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** The major versions of Node for which there are results, the oldest first */
export async function listMajors(): Promise<number[]> {
  const folders = await readdir(join(benchFolder, 'results'))
  return folders.flatMap((folder) => /^node-(\d+)$/.exec(folder)?.slice(1).map(Number) ?? []).sort((a, b) => a - b)
}
