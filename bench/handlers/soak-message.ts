import type { MessageRequest } from 'it-socketserver'
import { obey } from './soak-stream.ts'

const commands: Record<string, string> = { e: 'echo', t: 'throw', h: 'hang', x: 'exit' }

/** The first letter says what to do; an echo is the whole message */
export default async function serve(request: MessageRequest): Promise<void> {
  const { packet } = request
  const command = commands[packet.toString('latin1', 0, 1)] ?? ''
  if (await obey(command, request)) await request.wfile.write(packet)
}
