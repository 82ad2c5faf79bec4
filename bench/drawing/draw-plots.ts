import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { benchFolder } from '../harness/repository.ts'
import { readResults } from './kept-results.ts'
import { plots } from './plots.ts'

/** What was made of a folder of results */
export interface Drawn {
  /** Where the results lie, and the plots: the same below `bench/results/` and `bench/plots/` */
  folder: string
  pictures: Map<string, string>
  /** Plots whose results are absent */
  absent: string[]
}

/** Draws what the results show: those of a folder, and of each folder in it, are plots of their own */
export async function drawPlots(results: string): Promise<Drawn[]> {
  const entries = await readdir(results, { withFileTypes: true })
  const folders = ['', ...entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)].sort()
  const drawn: Drawn[] = []
  for (const folder of folders) {
    const kept = await readResults(join(results, folder))
    if (kept.size === 0) continue
    const pictures = new Map<string, string>()
    const absent: string[] = []
    for (const { name, draw } of plots) {
      const picture = draw(kept)
      if (picture === undefined) absent.push(name)
      else pictures.set(`${name}.svg`, picture)
    }
    drawn.push({ folder, pictures, absent })
  }
  return drawn
}

/** Draws all that is kept, in the place of the plots that were there; answers with what there is to tell about it */
export async function drawKept(): Promise<string> {
  const drawn = await drawPlots(join(benchFolder, 'results'))
  const plotsFolder = join(benchFolder, 'plots')
  await rm(plotsFolder, { recursive: true, force: true })
  const told: string[] = []
  for (const { folder, pictures, absent } of drawn) {
    await mkdir(join(plotsFolder, folder), { recursive: true })
    for (const [file, picture] of pictures) await writeFile(join(plotsFolder, folder, file), picture)
    told.push(`Drawn in ${join('bench/plots', folder)}: ${[...pictures.keys()].join(', ') || 'nothing'}`)
    if (absent.length > 0) told.push(`  not drawn, for want of results: ${absent.join(', ')}`)
  }
  return `${told.join('\n')}\n`
}
