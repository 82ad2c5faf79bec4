import { expect, it, onTestFinished } from 'vitest'
import { libc } from '../../../lib/accept/native/libc.ts'
import { EPOLLOUT, EPOLLRDHUP, Reactor, type Watched } from '../../../lib/accept/native/reactor.ts'
import { runChild } from '../../support/child.ts'
import { type RawPeer, unixPair } from '../../support/raw-peer.ts'
import { turns } from '../../support/turns.ts'

const EPOLLIN = 0x1
const F_DUPFD_CLOEXEC = 1_030

// One for all: it is never closed, as there is one in a process.
const reactor = new Reactor()

/** Counts what it is told; reads nothing. */
class Watcher implements Watched {
  watch = 0
  readonly events: number[] = []
  wentOn = 0
  does = (): void => {}

  ready(events: number): void {
    this.events.push(events)
    this.does()
  }

  goOn(): void {
    this.wentOn++
    this.does()
  }
}

function connection(): { fd: number; peer: RawPeer; close(): void } {
  const { fd, peer } = unixPair()
  let open = true
  const close = (): void => {
    if (open) libc().close(fd)
    open = false
  }
  onTestFinished(close)
  return { fd, peer, close }
}

function watched(): { watcher: Watcher; fd: number; peer: RawPeer; close(): void } {
  const { fd, peer, close } = connection()
  const watcher = new Watcher()
  reactor.add(fd, watcher)
  const forget = (): void => {
    reactor.forget(fd)
    close()
  }
  onTestFinished(() => {
    if (watcher.watch !== -1) forget()
  })
  return {
    watcher,
    fd,
    peer,
    close() {
      watcher.watch = -1
      forget()
    }
  }
}

it('tells at once what is possible already, and each event once, though nobody reads', async () => {
  const { watcher, peer } = watched()
  await turns(5)
  expect(watcher.events).toEqual([EPOLLOUT])
  peer.send('x')
  await turns(5)
  expect(watcher.events).toEqual([EPOLLOUT, EPOLLIN | EPOLLOUT])
  peer.send('y')
  peer.end()
  await turns(5)
  expect(watcher.events).toEqual([EPOLLOUT, EPOLLIN | EPOLLOUT, EPOLLIN | EPOLLOUT | EPOLLRDHUP])
})

it('tells all of more than one call returns, and those first that were ready first', async () => {
  const many = Array.from({ length: 300 }, watched)
  await turns(10)
  const order: number[] = []
  many.forEach(({ watcher, peer }, at) => {
    expect(watcher.events).toEqual([EPOLLOUT])
    watcher.does = () => void order.push(at)
    peer.send('x')
  })
  await turns(10)
  expect(order).toEqual(many.map((_, at) => at))
})

it('tells nothing of a descriptor to who has its number now', async () => {
  const [first, second] = [watched(), watched()]
  const spare = connection()
  await turns(5)
  const successor = new Watcher()
  // Both are ready in one turn.
  first.watcher.does = () => {
    first.watcher.does = () => {}
    second.close()
    expect(libc().fcntl(spare.fd, F_DUPFD_CLOEXEC, 'int', second.fd)).toBe(second.fd)
    reactor.add(second.fd, successor)
  }
  onTestFinished(() => {
    reactor.forget(second.fd)
    libc().close(second.fd)
  })
  first.peer.send('1')
  second.peer.send('2')
  await turns(5)
  expect(second.watcher.events).toEqual([EPOLLOUT])
  expect(successor.events).toEqual([EPOLLOUT])
  spare.peer.send('3')
  await turns(5)
  expect(successor.events).toEqual([EPOLLOUT, EPOLLIN | EPOLLOUT])
})

it('watches no more what it was told to, and again what stayed open', async () => {
  const { fd, peer } = connection()
  const [before, after] = [new Watcher(), new Watcher()]
  reactor.add(fd, before)
  await turns(3)
  reactor.remove(fd)
  peer.send('x')
  await turns(3)
  expect(before.events).toEqual([EPOLLOUT])
  reactor.add(fd, after)
  await turns(3)
  expect(after.events).toEqual([EPOLLIN | EPOLLOUT])
  reactor.forget(fd)
})

it('throws where a descriptor can’t be watched', () => {
  expect(() => reactor.add(1_000_000, new Watcher())).toThrow('epoll_ctl EBADF')
})

it('tells the others though one throws, of whose error the process hears', async () => {
  const errors: unknown[] = []
  const theirs = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', (error) => errors.push(error))
  onTestFinished(() => {
    process.removeAllListeners('uncaughtException')
    for (const listener of theirs) process.on('uncaughtException', listener)
  })
  const [one, two] = [watched(), watched()]
  one.watcher.does = () => {
    throw new Error('of one')
  }
  await turns(5)
  expect([one.watcher.events, two.watcher.events]).toEqual([[EPOLLOUT], [EPOLLOUT]])
  for (const { watcher } of [one, two]) reactor.again(watcher)
  await turns(5)
  expect([one.watcher.wentOn, two.watcher.wentOn]).toEqual([1, 1])
  two.peer.send('x')
  await turns(5)
  expect(two.watcher.events).toHaveLength(2)
  expect(errors).toEqual([new Error('of one'), new Error('of one')])
})

it('goes on in the next turn with who asks for it again and again', async () => {
  const { watcher } = watched()
  watcher.does = () => reactor.again(watcher)
  await turns(10)
  expect(watcher.wentOn).toBeGreaterThan(5)
  expect(watcher.wentOn).toBeLessThan(15)
  watcher.does = () => {}
})

it('holds the process as long as a connection waits for its peer, whoever listens no more', async () => {
  const { code, stdout } = await runChild(`
    import { connect } from 'node:net'
    const server = await new lib.TCPServer({ host: '127.0.0.1', port: 0, backend: 'native' }).listen()
    const client = connect(server.address.port)
    client.unref()
    const request = (await server.requests().next()).value
    const line = request.rfile.readLine()
    server.close({ deadline: Infinity })
    setTimeout(() => client.write('late\\n'), 20).unref()
    console.log(String(await line).trim())
    request.close()
    client.end()
    client.on('end', () => client.destroy())
    await server.closed
    console.log('closed')
  `)
  expect(stdout).toBe('late\nclosed\n')
  expect(code).toBe(0)
})
