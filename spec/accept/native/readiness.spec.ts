import koffi from 'koffi'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Readiness } from '../../../lib/accept/native/readiness.ts'
import { runChild } from '../../support/child.ts'
import { turns } from '../../support/turns.ts'

const c = koffi.load(null)
const makePipe = c.func('int pipe(void *)')
const close = c.func('int close(int)')
const write = c.func('intptr_t write(int, void *, size_t)')
const read = c.func('intptr_t read(int, void *, size_t)')

interface Pipe {
  readonly reader: number
  readonly writer: number
  fill(): void
  drain(): void
}

function pipe(): Pipe {
  const [reader, writer] = makePipes()
  return {
    reader,
    writer,
    fill: () => void write(writer, Buffer.from('x'), 1),
    drain: () => void read(reader, Buffer.alloc(1), 1)
  }
}

function makePipes(): [number, number] {
  const fds = new Int32Array(2)
  if (makePipe(fds) !== 0) throw new Error('Cannot make a pipe')
  onTestFinished(() => {
    for (const fd of fds) close(fd)
  })
  return [fds[0] as number, fds[1] as number]
}

function watching(fd: number, woken: () => void = () => {}): { readiness: Readiness; woke: () => number } {
  let times = 0
  const readiness = new Readiness(fd, () => {
    times++
    woken()
  })
  onTestFinished(() => readiness.close())
  return { readiness, woke: () => times }
}

async function until(reached: () => boolean): Promise<void> {
  while (!reached()) await turns()
}

describe('readiness', () => {
  it('wakes once for each wait, and not before something is there', async () => {
    const { reader, fill, drain } = pipe()
    const { readiness, woke } = watching(reader)
    readiness.wait()
    await turns(20)
    expect(woke()).toBe(0)
    fill()
    await until(() => woke() === 1)
    // Still there, and nobody asks.
    await turns(20)
    expect(woke()).toBe(1)
    readiness.wait()
    await until(() => woke() === 2)
    drain()
    readiness.wait()
    await turns(20)
    expect(woke()).toBe(2)
  })

  it('does not spin where something is there and nobody waits', async () => {
    // In a process that does nothing else, where each ring is a turn of the loop: rung for ever, tens of thousands.
    const { stdout } = await runChild(`
      import { once } from 'node:events'
      import { createConnection } from 'node:net'
      const server = await new lib.TCPServer({ port: 0, backend: 'native' }).listen()
      const requests = server[Symbol.asyncIterator]()
      const first = requests.next()
      createConnection(server.address.port, '127.0.0.1')
      await first
      // Nobody asks for this one, whom the listening socket rings for.
      await once(createConnection(server.address.port, '127.0.0.1'), 'connect')
      const turn = () => new Promise((resolve) => setImmediate(resolve))
      await turn(); await turn()
      const turns = () => performance.nodeTiming.uvMetricsInfo.loopCount
      const before = turns()
      await new Promise((resolve) => setTimeout(resolve, 200))
      console.log(turns() - before)
      process.exit()
    `)
    expect(Number(stdout)).toBeGreaterThan(0)
    expect(Number(stdout)).toBeLessThan(100)
  })

  it('asks for nothing after its close, whatever was under way', async () => {
    const { reader, fill } = pipe()
    const { readiness, woke } = watching(reader)
    readiness.wait()
    fill()
    readiness.close()
    readiness.close()
    readiness.wait()
    await turns(20)
    expect(woke()).toBe(0)
  })

  it('may be closed while it wakes, and between the bell and the wake', async () => {
    for (let ahead = 0; ahead < 4; ahead++) {
      const { reader, fill } = pipe()
      const { readiness } = watching(reader)
      readiness.wait()
      fill()
      await turns(ahead)
      readiness.close()
      await turns(3)
    }
    const { reader, fill } = pipe()
    const { readiness, woke } = watching(reader, () => readiness.close())
    readiness.wait()
    fill()
    await until(() => woke() === 1)
  })

  it('refuses a descriptor that is none, or that is watched already', () => {
    expect(() => new Readiness(-1, () => {})).toThrow(RangeError)
    expect(() => new Readiness(Number.NaN, () => {})).toThrow(RangeError)
    const { reader } = pipe()
    const { readiness } = watching(reader)
    expect(() => new Readiness(reader, () => {})).toThrow(RangeError)
    readiness.close()
    expect(watching(reader).woke()).toBe(0)
  })

  it('wakes where the descriptor has an error, and again when it is asked again', async () => {
    const { reader, writer } = pipe()
    const { readiness, woke } = watching(writer)
    readiness.wait()
    await turns(3)
    expect(woke()).toBe(0)
    // Nobody will read what is written: an error, and nothing to read.
    close(reader)
    await until(() => woke() === 1)
    readiness.wait()
    await until(() => woke() === 2)
    await turns(20)
    expect(woke()).toBe(2)
  })

  it('does not hold the process', async () => {
    const { code } = await runChild(`
      const server = await new lib.UDPServer({ backend: 'native' }).listen()
      server.unref()
      server.requests().next()
    `)
    expect(code).toBe(0)
  })

  it('does not end the process by a crash where something comes while that ends', async () => {
    const ended = await runChild(`
      import { execFileSync } from 'node:child_process'
      const server = await new lib.TCPServer({ host: '127.0.0.1', port: 0, backend: 'native' }).listen()
      server.unref()
      const parked = server.requests().next()
      const client = "require('node:net').connect(" + server.address.port + ").once('connect', () => process.exit())"
      process.on('exit', () => {
        execFileSync(process.execPath, ['--eval', client])
        void parked
      })
    `)
    expect(ended).toMatchObject({ code: 0, stdout: '', stderr: '' })
  })

  it('goes on where somebody says that the process ends, and it does not', async () => {
    const { code, stdout, stderr } = await runChild(`
      import { connect } from 'node:net'
      const server = await new lib.TCPServer({ host: '127.0.0.1', port: 0, backend: 'native' }).listen()
      void server.serveForever(lib.parallel(async (request) => { await request.wfile.write('served') }))
      setImmediate(() => {
        process.emit('exit', 0)
        const client = connect(server.address.port, '127.0.0.1').on('data', (bytes) => console.log(String(bytes)))
        client.on('end', () => { client.end(); server.close() })
      })
    `)
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'served\n', stderr: '' })
  })

  it('is there still after the garbage is collected, though nobody but the kernel knows of it', async () => {
    const { code, stdout, stderr } = await runChild(`
      import { createSocket } from 'node:dgram'
      import { setFlagsFromString } from 'node:v8'
      import { runInNewContext } from 'node:vm'
      setFlagsFromString('--expose-gc')
      const gc = runInNewContext('gc')
      const turn = () => new Promise((resolve) => setImmediate(resolve))
      async function start() {
        const server = new lib.UDPServer({ backend: 'native' }, async (request) => {
          await request.wfile.write('alive')
          void server.close()
        })
        await server.listen()
        const { port } = server.address
        void server.serveForever()
        return port
      }
      const port = await start()
      for (let i = 0; i < 20; i++) { await turn(); gc() }
      const client = createSocket('udp4')
      client.on('message', (message) => { console.log(message.toString()); client.close() })
      client.send('are you?', port, '127.0.0.1')
    `)
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'alive\n', stderr: '' })
  })
})
