import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { expect, it, onTestFinished } from 'vitest'
import type { EndEvent } from '../../lib/index.ts'
import { overhear } from '../support/events.ts'
import { dial, exchange } from '../support/peers.ts'
import { FactorServer } from './factor.ts'

// The largest prime below 2 ** 53: a second of work, and nothing comes out before.
const prime = '9007199254740881'

async function serving(): Promise<FactorServer> {
  const server = await new FactorServer({ port: 0 }).listen()
  const served = server.serveForever()
  onTestFinished(async () => {
    await server.close({ deadline: 0 })
    await served
    // The children have gone with it.
    expect(server.heavy.activeChildren.size).toBe(0)
  })
  return server
}

it('has a child find what nobody knows, and answers by itself what was asked before', async () => {
  const server = await serving()
  using ends = overhear<EndEvent>('end')
  expect(await exchange(server.address, '360\n')).toBe('2 2 2 3 3 5\n')
  await ends.count(1)
  expect(await exchange(server.address, '360\n')).toBe('2 2 2 3 3 5\n')
  await ends.count(2)
  const [first, second] = ends.messages.map(({ outcome }) => outcome)
  expect(first).toMatchObject({ status: 'fulfilled', ranBy: { pid: expect.any(Number) as number } })
  expect(first?.ranBy?.pid).not.toBe(process.pid)
  expect(second).toMatchObject({ status: 'fulfilled' })
  expect(second?.ranBy).toBe(undefined)
})

it('hands over what came behind the line, and whatever else comes', async () => {
  const server = await serving()
  server.known.set('4', '2 2\n')
  const client = await dial(server.address)
  const answers = client.setEncoding('utf8')[Symbol.asyncIterator]() as AsyncIterator<string, undefined>
  client.write('4\n15\n21\n')
  let answer = ''
  while (answer.length < '2 2\n3 5\n3 7\n'.length) answer += (await answers.next()).value
  client.end('4\nnine\n')
  for (let more = await answers.next(); more.done !== true; more = await answers.next()) answer += more.value
  expect(answer).toBe('2 2\n3 5\n3 7\n2 2\na whole number, please\n')
})

it('answers others while a child computes', async () => {
  const server = await serving()
  using ends = overhear<EndEvent>('end')
  server.known.set('4', '2 2\n')
  const heavy = exchange(server.address, `${prime}\n`)
  while (server.stats().accepted === 0) await new Promise(setImmediate)
  for (let client = 0; client < 10; client++) expect(await exchange(server.address, '4\n')).toBe('2 2\n')
  expect(await heavy).toBe(`${prime}\n`)
  await ends.count(11)
  expect(ends.messages.filter(({ outcome }) => outcome.ranBy !== undefined).length).toBe(1)
})

it('talks to nc', async () => {
  const { address } = await serving()
  const nc = spawn('nc', ['-N', address.host, String(address.port)])
  nc.stdin.end('1001\n97\n')
  expect(await text(nc.stdout)).toBe('7 11 13\n97\n')
})
