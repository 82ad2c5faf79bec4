import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:net'
import { onTestFinished } from 'vitest'

const compiled = new URL('../../dist/index.js', import.meta.url)

/** A process that `systemd-socket-activate` begins, when the first client is there. */
export interface Activated {
  /** What it has printed. */
  readonly output: () => string
  /** Resolves when what it prints, or what is said about it, matches. */
  said(pattern: RegExp): Promise<RegExpExecArray>
  /** How it has ended. */
  readonly ended: Promise<readonly [code: number | null, signal: NodeJS.Signals | null]>
  kill(signal: NodeJS.Signals): void
}

/** `systemd-socket-activate`, listening: its own words, and the command's. Killed after the test. */
export async function activate(options: readonly string[], command: readonly string[]): Promise<Activated> {
  // What is not named here is not passed on.
  const { IT_SOCKETSERVER_BACKEND: backend } = process.env
  const passedOn = backend === undefined ? [] : ['-E', 'IT_SOCKETSERVER_BACKEND']
  const child = spawn('systemd-socket-activate', [...passedOn, ...options, ...command], {
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const heard = new EventEmitter()
  let text = ''
  let over = false
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (more: string) => {
      text += more
      heard.emit('more')
    })
  }
  void ended.then(() => {
    over = true
    heard.emit('more')
  })
  const said = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const found = pattern.exec(text)
      if (found !== null) return found
      if (over) throw new Error(`It ended and did not say ${pattern}: ${text}`)
      await once(heard, 'more')
    }
  }
  const sockets = options.filter((option) => option === '-l').length
  await said(new RegExp(`as ${2 + sockets}\\.`))
  return { output: () => text, said, ended, kill: (signal) => void child.kill(signal) }
}

/** The same by a port of loopback that is free: it has no way of asking for one. */
export async function activateOnPort(
  options: readonly string[],
  command: readonly string[]
): Promise<{ activated: Activated; port: number }> {
  for (let tries = 1; ; tries++) {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const free = (server.address() as { port: number }).port
    server.close()
    await once(server, 'close')
    try {
      return { activated: await activate([...options, '-l', `127.0.0.1:${free}`], command), port: free }
    } catch (error) {
      if (tries === 5 || !String(error).includes('in use')) throw error
    }
  }
}

/** Plain JavaScript in a process that has the compiled package as `lib`, as a command. */
export function script(source: string): string[] {
  const whole = `import * as lib from ${JSON.stringify(compiled.href)}\n${source}`
  return [process.execPath, '--input-type=module', '--eval', whole]
}
