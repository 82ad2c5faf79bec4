import { describe, expect, it, onTestFinished } from 'vitest'
import { type DroppedEvent, parallel, type RefusedEvent, type Request, UDPServer } from '../../../lib/index.ts'
import { bounded, kindNames, kinds, visit } from '../../support/bounded-servers.ts'
import { udpClient } from '../../support/datagram-clients.ts'
import { overhear } from '../../support/events.ts'
import { quiet } from '../../support/quiet.ts'
import { turns, until } from '../../support/turns.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

async function echo(request: Request): Promise<void> {
  for await (const bytes of request.source) await request.wfile.write(Buffer.from(bytes.subarray()))
}

describe.for(kindNames)('a suspended server, %s', (name) => {
  it('leaves newcomers in the kernel, or refuses them, and serves those inside', async () => {
    using refused = overhear<RefusedEvent>('refused')
    const server = await bounded(name)
    void server.serveForever(parallel(echo))
    const inside = visit(server)
    inside.send('a')
    await inside.heard('a')
    server.suspend()
    const newcomer = visit(server)
    newcomer.send('b')
    if (kinds[name].surplus === 'waits') await turns(5)
    else await newcomer.over()
    inside.send('c')
    await inside.heard('ac')
    expect([server.stats().accepted, server.stats().open, newcomer.text]).toEqual([1, 1, ''])
    const isRefused = kinds[name].surplus === 'is closed'
    expect(refused.messages).toMatchObject(isRefused ? [{ server, reason: 'suspended' }] : [])
    expect(server.stats().refusedBy.suspended).toBe(isRefused ? 1 : 0)
    server.resume()
    const next = isRefused ? visit(server) : newcomer
    if (isRefused) next.send('b')
    await next.heard('b')
    expect(server.stats().open).toBe(2)
  })
})

it.for(['native', 'node'] as const)(
  'datagrams for a suspended server wait in the kernel, or are dropped (%s)',
  async (backend) => {
    using dropped = overhear<DroppedEvent>('dropped')
    const server = quiet(new UDPServer({ backend }))
    onTestFinished(async () => void (await server.close({ deadline: 0 })))
    await server.listen()
    void server.serveForever(parallel(echo))
    const client = await udpClient(server.address)
    onTestFinished(() => void client.close())
    await client.send(Buffer.from('a'))
    expect(String(await client.receive())).toBe('a')
    server.suspend()
    await client.send(Buffer.from('b'))
    if (backend === 'node') await dropped.count(1)
    else await turns(5)
    expect(server.stats().accepted).toBe(1)
    expect(dropped.messages).toMatchObject(backend === 'node' ? [{ server, bytes: 1, reason: 'suspended' }] : [])
    server.resume()
    if (backend === 'node') await client.send(Buffer.from('b'))
    expect(String(await client.receive())).toBe('b')
    await until(() => server.stats().open === 0)
    expect(server.stats()).toMatchObject({ accepted: 2, served: 2, droppedBy: { suspended: dropped.messages.length } })
  }
)
