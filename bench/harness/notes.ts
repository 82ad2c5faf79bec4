import { createInterface } from 'node:readline'

/** What a server has noted of itself: numbers by name */
export type Notes = Record<string, number[]>

/**
 * The server's side of a row of figures: for each line on stdin it prints, as a line of JSON, what it has noted since
 * the last one.
 */
export function tellNotes(take: () => Notes): void {
  createInterface({ input: process.stdin }).on('line', () => {
    process.stdout.write(`${JSON.stringify(take())}\n`)
  })
}

/** What was noted under a name in several turns */
export function notedAs(name: string, notes: Notes[]): number[] {
  return notes.flatMap((some) => some[name] ?? [])
}
