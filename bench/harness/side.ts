import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { benchFolder } from './repository.ts'

/** A server as a process of its own, which prints its port as its first line */
export interface Side {
  name: string
  command: string
  args: string[]
  /** Why it cannot run on this machine, if it cannot */
  missing?: string
}

function nodeSide(name: string, module: string, args: string[] = []): Side {
  return { name, command: process.execPath, args: [fileURLToPath(new URL(module, import.meta.url)), ...args] }
}

export function ours(name: string, ...args: string[]): Side {
  return nodeSide('it-socketserver', `../ours/${name}.js`, args)
}

export function nodeRival(name: string, file: string, ...args: string[]): Side {
  return nodeSide(name, `../rivals/${file}.js`, args)
}

export function pythonRival(name: string, file: string): Side {
  const side = { name, command: 'python3', args: [join(benchFolder, 'rivals', 'python', `${file}.py`)] }
  const { status } = spawnSync('python3', ['--version'], { stdio: 'ignore', timeout: 10_000 })
  return status === 0 ? side : { ...side, missing: 'python3 is not installed' }
}
