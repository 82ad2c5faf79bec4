import type { StreamRequest } from 'it-socketserver'
import { compute } from '../harness/computing.ts'

/** The same, with some milliseconds of computing before the answer */
export default async function computing({ rfile, wfile }: StreamRequest): Promise<void> {
  const received = await rfile.readLine()
  compute()
  if (received !== undefined) await wfile.write(received)
}
