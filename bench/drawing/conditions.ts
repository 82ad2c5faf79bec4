import type { KeptResult } from './kept-results.ts'

/** Under what results were measured, in one line */
export function conditions(results: KeptResult[]): string {
  const described = results.map(
    ({ machine: { node, processor, cores } }) => `Node ${node}, ${processor}, ${cores} cores`
  )
  return `${[...new Set(described)].join('; ')}. Each side in a process of its own, pairs interleaved.`
}
