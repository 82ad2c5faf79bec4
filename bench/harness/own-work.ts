import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { createInterface } from 'node:readline'

/**
 * The server's side of `load-own-work`: it says where it is, and for each line, a number of seconds, it works for so long
 * and answers with how many units it has done.
 */
export async function offerOwnWork(work: (seconds: number) => Promise<number>): Promise<void> {
  const server = createServer(async (socket) => {
    socket.on('error', () => socket.destroy())
    for await (const line of createInterface({ input: socket })) socket.write(`${await work(Number(line))}\n`)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
}
