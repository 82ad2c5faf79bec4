import { type ChildProcessByStdio, execFileSync, spawn, spawnSync } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import type { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dial, received } from '../support/peers.ts'

type Command = ChildProcessByStdio<null, Readable, Readable>

interface Running {
  readonly command: Command
  readonly tcp: number
  readonly udp: number
  readonly output: () => string
  /** Resolves when the output matches. */
  readonly said: (pattern: RegExp) => Promise<RegExpExecArray>
  readonly exit: Promise<[code: number | null]>
}

const npmStart = (): Promise<Running> => run('npm', 'start', '--silent', '--', '--port', '0')

async function run(file: string, ...words: string[]): Promise<Running> {
  const command = spawn(file, words, { stdio: ['ignore', 'pipe', 'pipe'] })
  const heard = new EventEmitter()
  let text = ''
  const exit = once(command, 'exit') as Promise<[number | null]>
  const said = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const found = pattern.exec(text)
      if (found !== null) return found
      const [, closed] = await Promise.race([once(heard, 'text'), exit.then(() => [undefined, true])])
      if (closed === true && !pattern.test(text))
        throw new Error(`The command ended and did not say ${pattern}: ${text}`)
    }
  }
  for (const stream of [command.stdout, command.stderr]) {
    stream.setEncoding('utf8').on('data', (more) => {
      text += more
      heard.emit('text')
    })
  }
  const [, tcp, udp] = await said(/tcp 127\.0\.0\.1:(\d+) and udp 127\.0\.0\.1:(\d+)/)
  return { command, tcp: Number(tcp), udp: Number(udp), output: () => text, said, exit }
}

const python = `
import socket, sys
port = int(sys.argv[1])
with socket.create_connection(('127.0.0.1', port)) as s, s.makefile('rwb') as f:
    f.write(b'from python\\n')
    f.flush()
    sys.stdout.write(f.readline().decode())
    f.write('gr\\u00fc\\u00dfe\\r\\nquit\\n'.encode())
    f.flush()
    sys.stdout.write(f.readline().decode())
    sys.stdout.write(f.readline().decode())
    sys.stdout.write(repr(f.readline()))
`

const pythonDatagram = `
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(10)
    s.sendto(b'a datagram', ('127.0.0.1', int(sys.argv[1])))
    sys.stdout.write(s.recv(65536).decode())
`

describe('npm start', () => {
  let server: Running

  beforeAll(async () => {
    server = await npmStart()
  })

  afterAll(() => {
    server.command.kill('SIGKILL')
  })

  it('says how to try it', () => {
    expect(server.output()).toContain(`nc 127.0.0.1 ${server.tcp}`)
  })

  it('serves Python over TCP', () => {
    const output = execFileSync('python3', ['-c', python, `${server.tcp}`], { encoding: 'utf8' })
    expect(output).toBe("FROM PYTHON\nGRÜSSE\r\nBYE\nb''")
  })

  it('serves Python over UDP', () => {
    expect(execFileSync('python3', ['-c', pythonDatagram, `${server.udp}`], { encoding: 'utf8' })).toBe('A DATAGRAM')
  })

  it('serves socat over TCP, which ends its input and waits for the answer', () => {
    const output = execFileSync('socat', ['-t10', '-', `TCP4:127.0.0.1:${server.tcp}`], {
      input: 'one\ntwo\nlast without end',
      encoding: 'utf8'
    })
    expect(output).toBe('ONE\nTWO\nLAST WITHOUT END\n')
  })

  it('serves nc over TCP', () => {
    const output = execFileSync('nc', ['-N', '127.0.0.1', `${server.tcp}`], { input: 'from nc\n', encoding: 'utf8' })
    expect(output).toBe('FROM NC\n')
  })

  it('shows what it serves, live', async () => {
    const client = await dial({ family: 'IPv4', host: '127.0.0.1', port: server.tcp })
    client.write('hello\n')
    await once(client, 'data')
    await server.said(/connections 1 now, \d+ total \| datagrams \d+ \| lines \d+/)
    client.destroy()
  })

  it('stops on Ctrl-C, says goodbye to whoever is idle, and reports', async () => {
    const client = await dial({ family: 'IPv4', host: '127.0.0.1', port: server.tcp })
    client.write('still here\n')
    await once(client, 'data')
    const rest = received(client)
    server.command.kill('SIGINT')
    expect((await rest).toString()).toBe('')
    client.end()
    expect(await server.exit).toEqual([0, null])
    expect(server.output()).toMatch(/connections 0 now, \d+ total.*\nStopped\./)
    expect(server.output()).toMatch(/At the end: 1 finished, 0 cut off, 0 refused/)
  })

  it('cuts off on a second Ctrl-C whoever does not read his answer', async () => {
    // npm passes on the first signal only; a terminal signals the command itself.
    const other = await run('node', 'dist/cli/main.js', '--port', '0')
    const client = await dial({ family: 'IPv4', host: '127.0.0.1', port: other.tcp })
    client.on('error', () => {})
    // It sends for ever and never reads, so its answers cannot leave.
    client.pause()
    const line = `${'x'.repeat(1_000)}\n`.repeat(64)
    const pump = (): void => {
      while (!client.destroyed && client.write(line));
    }
    client.on('drain', pump)
    pump()
    await other.said(/MB in/)
    other.command.kill('SIGINT')
    await other.said(/again to stop at once/)
    // Two that come together are one: the second counts when it comes later.
    const late = other.said(/stopping at once/)
    const again = setInterval(() => other.command.kill('SIGINT'), 50)
    await late
    clearInterval(again)
    expect(await other.exit).toEqual([130, null])
    client.destroy()
    expect(other.output()).toMatch(/1 cut off/)
  })
})

// A terminal signals npm and the command, and npm passes the signal on: the command hears Ctrl-C twice.
const terminal = `
import os, pty, re, socket, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp('npm', ['npm', 'start', '--silent', '--', '--port', '0'])
text = b''
def until(pattern):
    global text
    while not re.search(pattern, text):
        chunk = os.read(fd, 65536)
        text += chunk
    return re.search(pattern, text)
port = int(until(rb'tcp 127\\.0\\.0\\.1:(\\d+)').group(1))
s = socket.create_connection(('127.0.0.1', port))
s.sendall(b'idle\\n')
s.recv(100)
os.write(fd, b'\\x03')
until(rb'Stopped')
try:
    while True:
        chunk = os.read(fd, 65536)
        if not chunk: break
        text += chunk
except OSError:
    pass
_, status = os.waitpid(pid, 0)
sys.stdout.write(text.decode())
sys.stdout.write('exit %d' % os.waitstatus_to_exitcode(status))
`

describe('npm start in a terminal', () => {
  it('takes one Ctrl-C for one, and rewrites its live line', () => {
    const output = execFileSync('python3', ['-c', terminal], { encoding: 'utf8' })
    expect(output).toContain('finishing within 5 s')
    expect(output).not.toContain('at once\r\n\r\nSIGINT: stopping at once')
    expect(output).toMatch(/At the end: 1 finished, 0 cut off, 0 refused/)
    expect(output).toMatch(/exit 0$/)
  })
})

describe('the command', () => {
  const tell = (...options: string[]) => spawnSync('node', ['dist/cli/main.js', ...options], { encoding: 'utf8' })

  it('helps', () => {
    const { status, stdout } = tell('--help')
    expect(status).toBe(0)
    expect(stdout).toContain('--port <number>')
  })

  for (const [options, message] of [
    [['--port', 'http'], '--port takes a whole number from 0 to 65535: got "http"'],
    [['--limit', '0'], '--limit takes a whole number from 1 to 1000000: got "0"'],
    [['--host='], '--host takes an address: got ""'],
    [['--prot', '1'], "'--prot'"]
  ] as const) {
    it(`says what is wrong with ${options.join(' ')}`, () => {
      const { status, stderr } = tell(...options)
      expect(status).toBe(2)
      expect(stderr).toContain(message)
      expect(stderr).toContain('Usage: it-socketserver')
    })
  }

  it('says where it cannot listen, and what to do', async () => {
    const holder = await npmStart()
    const { status, stderr } = tell('--port', `${holder.tcp}`)
    holder.command.kill('SIGTERM')
    expect(status).toBe(1)
    expect(stderr).toContain(`Cannot listen on 127.0.0.1:${holder.tcp}: it is in use already (EADDRINUSE)`)
    expect(stderr).toContain('--port 0')
    expect(await holder.exit).toEqual([0, null])
  })
})
