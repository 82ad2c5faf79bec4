import type { StreamRequest } from 'it-socketserver'

/** Connect, a line, its answer, close */
export default async function line({ rfile, wfile }: StreamRequest): Promise<void> {
  const received = await rfile.readLine()
  if (received !== undefined) await wfile.write(received)
}
