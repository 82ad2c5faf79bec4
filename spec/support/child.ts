import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const compiled = new URL('../../dist/index.js', import.meta.url)

// Only so that a child that would never exit is not left behind: then its code is null.
const usualLife = 15_000

/** How a child process ended. */
export interface ChildExit {
  /** Its exit code; `null` where it had to be killed. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Run plain JavaScript in a process of its own, which has the compiled package as `lib`, until it exits by itself. It has what it inherits as 3, 4, … */
export async function runChild(
  script: string,
  { longestLife = usualLife, inherited = [] as readonly number[] } = {}
): Promise<ChildExit> {
  if (!existsSync(fileURLToPath(compiled))) throw new Error('The package is not compiled: npm run build')
  const source = `import * as lib from ${JSON.stringify(compiled.href)}\n${script}`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    stdio: ['ignore', 'pipe', 'pipe', ...inherited],
    timeout: longestLife,
    killSignal: 'SIGKILL'
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}
