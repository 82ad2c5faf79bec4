import { describe, expect, it } from 'vitest'
import { runChild } from '../../support/child.ts'

const limits = 'idleTimeout: 60_000, requestTimeout: 120_000, lingerTimeout: 60_000'
const crowd = 1_000

// The crowd is a process of its own: its timers and descriptors are not counted.
const script = (mode: string, handler: string): string => `
  import { spawn } from 'node:child_process'
  import { once } from 'node:events'
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const server = await new lib.TCPServer({ ${limits} }).listen()
  server.handleError = () => {}
  const serving = server.serveForever(lib.${mode}(${handler}, ${mode === 'parallel' ? '{ limit: 10_000 }' : '{ size: 1, limit: 10_000 }'}))
  const before = timers()
  const crowd = spawn(process.execPath, ['-e', \`
    const { connect } = require('node:net')
    setInterval(() => {}, 1_000)
    for (let i = 0; i < ${crowd}; i++) setTimeout(() => connect({ port: \${server.address.port}, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {}).write('x'), i / 4)
  \`], { stdio: 'ignore' })
  while (server.stats().${mode === 'parallel' ? 'bytesIn' : 'open'} < ${crowd}) await new Promise((resolve) => setTimeout(resolve, 10))
  console.log(server.stats().open, timers() - before <= 3)
  crowd.kill()
  await once(crowd, 'exit')
  await server.close({ deadline: 0 })
  await serving
`

describe('time limits', () => {
  it('take no timer for each connection', async () => {
    const { stdout, stderr, code } = await runChild(script('parallel', '(request) => request.rfile.readAll()'))
    expect([stdout, stderr, code]).toEqual([`${crowd} true\n`, '', 0])
  })

  it('take none for each that lingers after its reply', async () => {
    const { stdout, stderr, code } = await runChild(
      script('parallel', '(request) => request.rfile.readExactly(1).then(() => request.wfile.write("x"))')
    )
    expect([stdout, stderr, code]).toEqual([`${crowd} true\n`, '', 0])
  })

  it('hold no process, neither while somebody is inside nor after the close', async () => {
    const { stdout, stderr, code } = await runChild(`
      class Rows extends lib.BaseServer {
        asked = 0
        getRequest () {
          if (this.asked++ > 0) return new Promise(() => {})
          return new lib.MessageRequest({ server: this, packet: 'row' })
        }
      }
      const rows = new Rows({ requestTimeout: 3_600_000 })
      void rows.requests().next()
      const server = await new lib.TCPServer({ ${limits}, backend: 'native' }).listen()
      const { connect } = await import('node:net')
      const client = connect(server.address.port, '127.0.0.1')
      const { value } = await server.requests({ closeOnReturn: false }).next()
      value.rfile.readLine().catch(() => {})
      await server.close({ deadline: 0 })
      client.destroy()
      process.on('exit', () => console.log('over', rows.stats().open))
    `)
    expect([stdout, stderr, code]).toEqual(['over 1\n', '', 0])
  })
})
