import { describe, expect, it } from 'vitest'
import { runChild } from '../support/child.ts'
import { temporaryPath } from '../support/peers.ts'

const flood = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(('127.0.0.1', int(sys.argv[1])))
for i in range(int(sys.argv[2])):
    s.send(b'x' * 4000)
`

const preamble = `
  import { spawn } from 'node:child_process'
  import { once } from 'node:events'
  import { readFileSync, readdirSync } from 'node:fs'
  import { connect } from 'node:net'
  import { setFlagsFromString } from 'node:v8'
  import { runInNewContext } from 'node:vm'
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc')
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  const echo = (request) => lib.pipe(request, request)
  const descriptors = () => readdirSync('/proc/self/fd').length
`

const MiB = 1024 * 1024

describe.for(['native', 'node'])('a flood of 200,000 datagrams to a handler that takes its time, by %s', (backend) => {
  it('grows no memory, loses none uncounted, and lets the others go on', async () => {
    const many = 200_000
    const { code, stdout, stderr } = await runChild(`${preamble}
      const server = await new lib.UDPServer({ backend: '${backend}' }).listen()
      const { port } = server.address
      let served = 0
      const serving = server.serveForever(lib.parallel(async () => {
        await turn(); await turn()
        served++
      }))
      const tcp = await new lib.TCPServer({ host: '127.0.0.1', port: 0 }).listen()
      void tcp.serveForever(lib.parallel(echo))

      let beats = 0
      let most = 0
      gc()
      const before = process.memoryUsage().rss
      const beat = setInterval(() => {
        beats++
        most = Math.max(most, process.memoryUsage().rss)
      }, 10)
      let over = false
      let answered = 0
      const asking = (async () => {
        while (!over) {
          const socket = connect(tcp.address.port, '127.0.0.1').end('ping')
          for await (const chunk of socket) if (String(chunk) === 'ping') answered++
        }
      })()

      // local address, queues, drops
      const row = () => readFileSync('/proc/net/udp', 'utf8').split('\\n').map((line) => line.trim().split(/\\s+/))
        .find((columns) => columns[1]?.endsWith(':' + port.toString(16).toUpperCase().padStart(4, '0')))
      const sender = spawn('python3', ['-c', ${JSON.stringify(flood)}, port, ${many}], { stdio: ['ignore', 'ignore', 'inherit'] })
      await once(sender, 'exit')
      while (!row()[4].endsWith(':00000000') || server.stats().waiting > 0 || server.stats().open > 0) await turn()
      over = true
      await asking
      clearInterval(beat)
      const { accepted, dropped } = server.stats()
      const kernel = Number(row().at(-1))
      await Promise.all([server.close(), tcp.close()])
      await serving
      console.log(JSON.stringify({ accepted, dropped, kernel, served, beats, answered, grown: most - before }))
    `)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const told = JSON.parse(stdout) as Record<string, number>
    const { accepted = 0, dropped = 0, kernel = 0, served = 0, grown = 0, beats, answered } = told
    expect(accepted + dropped + kernel).toBe(many)
    expect(served).toBe(accepted)
    expect(accepted).toBeGreaterThan(100)
    // What was sent would take 800 MB at the least; V8 lets garbage of a hundred lie about.
    expect(grown).toBeLessThan(250 * MiB)
    expect(beats).toBeGreaterThan(0)
    expect(answered).toBeGreaterThan(0)
    if (backend === 'native') expect(dropped).toBe(0)
  })
})

// 1,000,000 take too long for every day: DATAGRAMS says how many.
const { DATAGRAMS = '100_000' } = process.env
const many = Number(DATAGRAMS.replaceAll('_', ''))

describe(`${many} Unix datagrams`, () => {
  it(
    'leave nothing behind',
    async () => {
      const [path, own] = [temporaryPath(), temporaryPath()]
      const { code, stdout, stderr } = await runChild(
        `${preamble}
      import koffi from ${JSON.stringify(import.meta.resolve('koffi'))}
      const c = koffi.load(null)
      const call = (name, ...types) => c.func(name, 'intptr_t', types)
      const bind = call('bind', 'int', 'void *', 'uint32_t')
      const sendto = call('sendto', 'int', 'void *', 'size_t', 'int', 'void *', 'uint32_t')
      const recv = call('recv', 'int', 'void *', 'size_t', 'int')
      const sockaddr = (path) => Buffer.concat([Buffer.from([1, 0]), Buffer.from(path + '\\0')])
      const [to, from] = [sockaddr(${JSON.stringify(path)}), sockaddr(${JSON.stringify(own)})]
      const fd = Number(call('socket', 'int', 'int', 'int')(1, 2 | 0o4000, 0))
      bind(fd, from, from.length)
      const bytes = Buffer.alloc(64, 'x')
      const into = Buffer.alloc(64)
      let left = 0

      const server = await new lib.UnixDatagramServer({ path: ${JSON.stringify(path)} }).listen()
      const serving = server.serveForever(lib.parallel((request) => request.wfile.write(request.packet)))
      async function exchange(many) {
        let sent = 0
        let received = 0
        while (received < many) {
          while (sent < many && sendto(fd, bytes, bytes.length, 0x40, to, to.length) > 0) sent++
          while (recv(fd, into, into.length, 0x40) > 0) received++
          await turn()
        }
      }
      const used = async () => {
        for (let i = 0; i < 5; i++) { gc(); await turn() }
        const { heapUsed, external } = process.memoryUsage()
        return heapUsed + external
      }
      await exchange(20_000)
      const before = { memory: await used(), open: descriptors() }
      await exchange(${many})
      const grown = (await used()) - before.memory
      const opened = descriptors() - before.open
      const { served, failed, open } = server.stats()
      await server.close()
      await serving
      console.log(JSON.stringify({ grown, opened, served, failed, open }))
    `,
        { longestLife: 15_000 + many / 10 }
      )
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      const { grown, ...told } = JSON.parse(stdout) as { grown: number }
      expect(told).toEqual({ opened: 0, served: many + 20_000, failed: 0, open: 0 })
      expect(grown).toBeLessThan(3 * MiB)
    },
    20_000 + many / 10
  )
})

describe('servers that come and go under traffic', () => {
  it('leave no descriptor, touch no poll after its close, and answer nobody else', async () => {
    const { code, stdout, stderr } = await runChild(`${preamble}
      import { createSocket } from 'node:dgram'
      import { mkdtempSync } from 'node:fs'
      const folder = mkdtempSync('/tmp/it-socketserver-')
      const client = createSocket('udp4')
      let strange = 0
      let replies = 0
      client.on('message', (message, { port }) => {
        if (Number(message) === port) replies++
        else strange++
      })
      await new Promise((resolve) => client.bind(0, '127.0.0.1', resolve))
      // libuv keeps a descriptor in reserve from the first time that it listens.
      await (await new lib.UnixStreamServer({ path: folder + '/first' }).listen()).close()
      await turn()
      const before = descriptors()
      for (let round = 0; round < 60; round++) {
        const servers = []
        for (let i = 0; i < 6; i++) {
          const unix = i % 3 === 2
          const server = unix
            ? new lib.UnixDatagramServer({ path: folder + '/' + i })
            : new lib.UDPServer({ backend: i % 2 === 0 ? 'native' : 'auto' })
          // Those who are cut off at the deadline are no news.
          server.handleError = () => {}
          await server.listen()
          void server.serveForever(lib.parallel(async (request) => {
            if (round % 2) await turn()
            // Each says who it is: an answer of another on its descriptor would show.
            await request.wfile.write(String(server.address.port))
          }))
          servers.push(server)
          if (!unix) for (let n = 0; n < 4; n++) client.send('x', server.address.port, '127.0.0.1')
        }
        // Closed at every stage of being served.
        for (let wait = 0; wait < round % 6; wait++) await turn()
        await Promise.all(servers.map((server, i) => server.close({ deadline: i % 2 ? 0 : 1_000 })))
      }
      // libuv closes what it has opened, such as the lock on a path, a turn or two later.
      for (let wait = 0; wait < 100 && descriptors() > before; wait++) await turn()
      console.log(JSON.stringify({ strange, some: replies > 100, opened: descriptors() - before }))
      client.close()
    `)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(JSON.parse(stdout)).toEqual({ strange: 0, some: true, opened: 0 })
  })
})
