import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { benchFolder } from './repository.ts'
import { bun, deno, node, python, type Runtime } from './runtimes.ts'

/** A server as a process of its own, which prints its port as its first line */
export interface Side {
  name: string
  /** What it runs on, with its version */
  runtime: string
  command: string
  args: string[]
  /** Why it cannot run on this machine, if it cannot */
  missing?: string
}

function side(name: string, runtime: Runtime, file: string, args: string[]): Side {
  const { name: title, command, flags, missing } = runtime
  return {
    name,
    runtime: title,
    command,
    args: [...flags, file, ...args],
    ...(missing === undefined ? {} : { missing })
  }
}

function compiled(module: string): string {
  return fileURLToPath(new URL(module, import.meta.url))
}

function source(...path: string[]): string {
  return join(benchFolder, 'rivals', ...path)
}

export function ours(name: string, ...args: string[]): Side {
  return side('it-socketserver', node, compiled(`../ours/${name}.js`), args)
}

export function nodeRival(name: string, file: string, ...args: string[]): Side {
  return side(name, node, compiled(`../rivals/${file}.js`), args)
}

export function pythonRival(name: string, file: string, ...args: string[]): Side {
  return side(name, python, source('python', `${file}.py`), args)
}

export function denoRival(name: string, file: string): Side {
  return side(name, deno, source('deno', `${file}.mjs`), [])
}

export function bunRival(name: string, file: string): Side {
  return side(name, bun, source('bun', `${file}.mjs`), [])
}
