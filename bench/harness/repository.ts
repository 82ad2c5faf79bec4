import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

// The compiled suite runs from a build folder whose depth is not its own affair; what is not compiled (results, Python)
// lives in the source tree.
function findRoot(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder
  const parent = dirname(folder)
  if (parent === folder) throw new Error('Cannot find the repository: no package.json above the benchmark suite')
  return findRoot(parent)
}

export const root = findRoot(dirname(fileURLToPath(import.meta.url)))

export const benchFolder = join(root, 'bench')

/** Where `npm run bench:rivals` puts what only the suite wants */
export const rivalsFolder = join(root, '.build', 'rivals', 'node_modules')
