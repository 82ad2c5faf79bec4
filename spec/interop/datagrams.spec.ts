import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  DatagramRequestHandler,
  drain,
  parallel,
  type UDPServer,
  type UndeliveredEvent,
  type UnixDatagramServer
} from '../../lib/index.ts'
import { overhear } from '../support/events.ts'
import { temporaryPath } from '../support/peers.ts'
import { udp, unixDatagram } from '../support/servers.ts'

class Upper extends DatagramRequestHandler {
  override async handle(): Promise<void> {
    await this.wfile.write(this.packet.toString().toUpperCase())
  }
}

function serving<S extends UDPServer | UnixDatagramServer>(server: S): S {
  void drain(parallel(Upper)(server))
  return server
}

/** Sends by socat, and gives the first that comes back. */
async function bySocat(address: string, text: string): Promise<string> {
  // Each write is a datagram; it waits for replies for as long as its input is open.
  const socat = spawn('socat', ['-T', '10', '-', address], { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void socat.kill())
  socat.stdin.write(text)
  const [reply] = (await once(socat.stdout, 'data')) as [Buffer]
  socat.stdin.end()
  return reply.toString()
}

describe('socat', () => {
  it.for(['native', 'node'] as const)('is answered over UDP by %s', async (backend) => {
    const four = serving(await udp({ backend }))
    expect(await bySocat(`UDP4:127.0.0.1:${four.address.port}`, 'over four')).toBe('OVER FOUR')
    const six = serving(await udp({ backend, host: '::1' }))
    expect(await bySocat(`UDP6:[::1]:${six.address.port}`, 'over six')).toBe('OVER SIX')
  })

  it('is answered at a Unix path, from a path of its own', async () => {
    const { path } = serving(await unixDatagram()).address
    expect(await bySocat(`UNIX-SENDTO:${path},bind=${temporaryPath()}`, 'by path')).toBe('BY PATH')
  })

  it('is answered at an abstract name, from an abstract name', async () => {
    const name = `it-socketserver/${process.pid}/socat`
    serving(await unixDatagram({ path: `\0${name}` }))
    const address = `ABSTRACT-SENDTO:${name},bind=${name}/client,unix-tightsocklen=1`
    expect(await bySocat(address, 'by name')).toBe('BY NAME')
  })

  it('without an address of its own is heard, and can’t be answered', async () => {
    using undelivered = overhear<UndeliveredEvent>('undelivered')
    const { path } = serving(await unixDatagram()).address
    const socat = spawn('socat', ['-u', '-', `UNIX-SENDTO:${path}`], { stdio: ['pipe', 'ignore', 'inherit'] })
    socat.stdin.end('for nobody')
    await undelivered.count(1)
    expect(undelivered.messages).toMatchObject([{ clientAddress: { family: 'unix', path: '' } }])
  })
})
