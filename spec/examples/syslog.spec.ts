import { execFile } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { promisify } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'
import { drain, merge, parallel, type Request, UDPServer, UnixDatagramServer } from '../../lib/index.ts'
import { temporaryPath } from '../support/peers.ts'
import { parseSyslog, type SyslogMessage, syslogHandler } from './syslog.ts'

const run = promisify(execFile)
const localInfo = { facility: 16, severity: 6 }

/** What a handler has taken, as it comes. */
class Log extends EventEmitter<{ message: [SyslogMessage] }> {
  readonly handler = syslogHandler((message) => void this.emit('message', message))

  async next(sending: () => Promise<unknown>): Promise<SyslogMessage> {
    const coming = once(this, 'message') as Promise<[SyslogMessage]>
    await sending()
    return (await coming)[0]
  }
}

interface Closing extends AsyncIterable<Request> {
  close(): Promise<unknown>
}

function serve(log: Log, ...servers: Closing[]): void {
  const served = drain(parallel(log.handler)(merge(...servers)))
  onTestFinished(async () => {
    await Promise.all(servers.map((server) => server.close()))
    await served
  })
}

it('takes what logger says by UDP and by Unix datagram, by one handler', async () => {
  const log = new Log()
  const udp = await new UDPServer().listen()
  const unix = await new UnixDatagramServer({ path: temporaryPath(), mode: 0o622 }).listen()
  serve(log, udp, unix)
  const say = ['--priority', 'local0.info', '--tag', 'spec']
  const remote = ['--udp', '--server', '127.0.0.1', '--port', `${udp.address.port}`]
  const first = await log.next(() => run('logger', [...remote, ...say, 'by UDP']))
  expect(first).toEqual({ ...localInfo, text: expect.stringMatching(/^1 \S+ \S+ spec - - .*by UDP$/) as unknown })
  const local = ['--socket', unix.address.path]
  const second = await log.next(() => run('logger', [...local, ...say, 'by Unix datagram']))
  expect(second).toEqual({ ...localInfo, text: expect.stringMatching(/ spec: by Unix datagram$/) as unknown })
})

it('takes what socat says to an abstract name', async () => {
  const log = new Log()
  const name = `it-socketserver-syslog-${process.pid}`
  serve(log, await new UnixDatagramServer({ path: `\0${name}` }).listen())
  const message = await log.next(() => {
    const socat = run('socat', ['-', `ABSTRACT-SENDTO:${name}`])
    socat.child.stdin?.end('<134>hello')
    return socat
  })
  expect(message).toEqual({ ...localInfo, text: 'hello' })
})

it.each([
  ['<0>the kernel', { facility: 0, severity: 0, text: 'the kernel' }],
  ['<191>the last', { facility: 23, severity: 7, text: 'the last' }],
  ['<192>no such', { facility: 1, severity: 5, text: '<192>no such' }],
  ['no priority\n', { facility: 1, severity: 5, text: 'no priority' }],
  ['', { facility: 1, severity: 5, text: '' }]
])('reads %j', (text, message) => {
  expect(parseSyslog(Buffer.from(text))).toEqual(message)
})
