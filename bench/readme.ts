import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { benchmarks } from './benchmarks.ts'
import { formatBlock, replaceBlock } from './harness/readme-block.ts'
import { root } from './harness/repository.ts'

// Puts what bench/results/ holds into the README: `npm run bench:readme`
const readme = join(root, 'README.md')
const block = await formatBlock(benchmarks.map(({ name }) => name))
await writeFile(readme, replaceBlock(await readFile(readme, 'utf8'), block))
