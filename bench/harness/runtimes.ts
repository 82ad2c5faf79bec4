import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { rivalsFolder } from './repository.ts'

/** What runs a server */
export interface Runtime {
  /** With its version */
  name: string
  command: string
  /** What comes before the server's file */
  flags: string[]
  /** Why it cannot run on this machine, if it cannot */
  missing?: string
}

export const node: Runtime = { name: `Node ${process.versions.node}`, command: process.execPath, flags: [] }

// Their packages' own commands are made by install scripts; the binaries lie in packages for each platform.
export const deno = installed('Deno', 'deno', `@deno/linux-${process.arch}-glibc/deno`, [
  'run',
  '--quiet',
  '--no-config',
  '--no-lock',
  '--no-npm',
  '--no-remote',
  '--allow-net=127.0.0.1',
  '--unstable-net'
])

export const bun = installed(
  'Bun',
  'bun',
  `@oven/bun-linux-${process.arch === 'arm64' ? 'aarch64' : 'x64'}/bin/bun`,
  []
)

export const python = findPython()

/** The newest Node's binary */
export const newestNode = join(rivalsFolder, `node-${process.platform}-${process.arch}/bin/node`)

function installed(title: string, name: string, binary: string, flags: string[]): Runtime {
  const command = join(rivalsFolder, binary)
  if (!existsSync(command)) {
    return { name: title, command, flags, missing: `${title} is not installed: npm run bench:rivals does that` }
  }
  const { version } = JSON.parse(readFileSync(join(rivalsFolder, name, 'package.json'), 'utf8')) as { version: string }
  return { name: `${title} ${version}`, command, flags }
}

// What python3 stands for may be a script that looks for one, which takes its time.
function findPython(): Runtime {
  const { status, stdout } = spawnSync(
    'python3',
    ['-c', 'import platform, sys; print(sys.executable, platform.python_version(), sep="\\n")'],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 10_000 }
  )
  const [command = '', version = ''] = status === 0 ? stdout.split('\n') : []
  if (command === '') return { name: 'Python', command: 'python3', flags: [], missing: 'python3 is not installed' }
  return { name: `Python ${version}`, command, flags: [] }
}
