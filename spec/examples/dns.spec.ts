import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { drain, framed, merge, parallel, TCPServer, UDPServer } from '../../lib/index.ts'
import { dial, received } from '../support/peers.ts'
import { dnsHandler, overTCP, type Zone } from './dns.ts'

const run = promisify(execFile)

const long = Array.from({ length: 40 }, (_, i) => `line ${i} of a text that has no room in a datagram`)
const zone: Zone = {
  'host.example': { addresses: ['192.0.2.1', '192.0.2.2', '2001:db8::1', '::'] },
  'text.example': { texts: ['hello', 'x'.repeat(300)] },
  'long.example': { texts: long },
  'bare.example': {}
}

let udp: UDPServer
let tcp: TCPServer
let served: Promise<void>

/** By either at one port, as dig asks: a port that is free for one may be another's for the other. */
async function listen(attempts = 20): Promise<void> {
  udp = await new UDPServer().listen()
  try {
    tcp = await new TCPServer({ port: udp.address.port }).listen()
  } catch (error) {
    await udp.close()
    if (attempts === 1) throw error
    await listen(attempts - 1)
  }
}

beforeAll(async () => {
  await listen()
  served = drain(parallel(dnsHandler(zone), { limit: 40 })(merge(udp, framed(overTCP)(tcp))))
})

afterAll(async () => {
  await Promise.all([udp.close(), tcp.close()])
  await served
})

async function dig(...words: string[]): Promise<string> {
  const { port } = udp.address
  const { stdout } = await run('dig', ['@127.0.0.1', '-p', `${port}`, '+tries=1', '+time=5', ...words])
  return stdout
}

async function short(...words: string[]): Promise<string[]> {
  return (await dig('+short', ...words)).trimEnd().split('\n').sort()
}

for (const [how, by] of [
  ['UDP', '+notcp'],
  ['TCP', '+tcp']
] as const) {
  it(`answers dig by ${how}`, async () => {
    expect(await short(by, 'host.example', 'A')).toEqual(['192.0.2.1', '192.0.2.2'])
    expect(await short(by, 'HOST.example', 'AAAA')).toEqual(['2001:db8::1', '::'])
    expect(await short(by, 'text.example', 'TXT')).toContain('"hello"')
    expect(await dig(by, 'bare.example', 'A')).toMatch(/status: NOERROR[\s\S]*ANSWER: 0/)
    expect(await dig(by, 'other.example', 'A')).toMatch('status: NXDOMAIN')
    expect(await dig(by, '+opcode=2', 'host.example')).toMatch('status: NOTIMP')
  })
}

it('has the client come back by TCP for what has no room in a datagram', async () => {
  expect(await dig('+notcp', '+ignore', 'long.example', 'TXT')).toMatch(/flags: qr aa tc rd[\s\S]*ANSWER: 0/)
  expect(await short('long.example', 'TXT')).toHaveLength(long.length)
})

it('answers two questions on one connection, in their order', async () => {
  const answer = await dig('+tcp', '+keepopen', 'host.example', 'A', 'text.example', 'TXT')
  expect(answer.match(/192\.0\.2\.1|"hello"/g)).toEqual(['192.0.2.1', '"hello"'])
})

it('says what is malformed, and is silent to what is no question', async () => {
  const ask = async (hex: string): Promise<Buffer> => {
    const client = await dial(tcp.address)
    client.end(Buffer.from(hex, 'hex'))
    return received(client)
  }
  const malformed = await ask('000cabcd01000001000000000000')
  expect(malformed.readUInt16BE(4) & 0xf).toBe(1)
  const response = '000cabcd81000000000000000000'
  expect(await ask(response)).toHaveLength(0)
  const tooShort = '0003010203'
  expect(await ask(tooShort)).toHaveLength(0)
})
