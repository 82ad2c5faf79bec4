// Moves as many bytes as its client says, each way.
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

const size = 10 * 1024 * 1024

const ways = {
  // Answers when all has come, and some time later: the client has ended its output long before.
  async upload({ rfile, wfile }) {
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of rfile) {
      bytes += chunk.length
      hash.update(chunk.subarray())
    }
    await sleep(20)
    await wfile.end(`${bytes} ${hash.digest('hex')}`)
    return bytes
  },
  async download({ wfile }) {
    const chunk = Buffer.alloc(65_536, 'abcdefghijklmno\n')
    for (let sent = 0; sent < size; sent += chunk.length) await wfile.write(chunk)
    return size
  },
  async echo({ rfile, wfile }) {
    for await (const chunk of rfile) await wfile.write(chunk)
  }
}

export default async (request) => ways[await request.rfile.readLine({ chomp: true })](request)
