import { listMajors, readResults, resultsFolder } from './kept-results.ts'
import { formatResults } from './readme-table.ts'

export const blockBegins = '<!-- bench:table -->'
export const blockEnds = '<!-- /bench:table -->'

/** What the README shows of the results, for each Node on which there are some */
export async function formatBlock(names: string[]): Promise<string> {
  const parts: string[] = []
  for (const major of await listMajors()) {
    const results = await Promise.all(names.map((name) => readResults(resultsFolder(major), name)))
    parts.push(formatResults(results.filter((found) => found !== undefined)))
  }
  return parts.filter((part) => part !== '').join('\n\n')
}

/** The text with this block in the place of the one that it has */
export function replaceBlock(text: string, block: string): string {
  const begin = text.indexOf(blockBegins)
  const end = text.indexOf(blockEnds, begin)
  if (begin === -1 || end === -1) {
    throw new Error(`Cannot place the table: no ${blockBegins} with a ${blockEnds} behind it`)
  }
  return `${text.slice(0, begin)}${blockBegins}\n\n${block}\n\n${text.slice(end)}`
}
