import { namedUnixClient, unixAddress } from './datagram-client.ts'
import { checked, sendto } from './libc.ts'
import { readLoadArguments } from './load-arguments.ts'
import { takeTurns } from './load-turns.ts'
import { pause } from './pause.ts'

export interface FullQueueOptions {
  /** Datagrams that it sends, never to read an answer: the kernel keeps about ten of these for it */
  replies: number
  size: number
}

const { port, serverPid, options } = readLoadArguments<FullQueueOptions>()
// Not connected: the kernel bounds what waits for a peer that is connected to the server by the server's buffer alone.
const fd = namedUnixClient()
const server = unixAddress(port)
const bytes = Buffer.alloc(options.size, 'x')
for (let n = 0; n < options.replies; n++) {
  checked('send to the server', sendto(fd, bytes, bytes.length, 0, server, server.length))
}

await takeTurns(serverPid, (until) => {
  while (performance.now() < until) pause(10)
  return options.replies
})
