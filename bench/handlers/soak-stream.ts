import type { Request } from 'it-socketserver'

/** The message of every error that is meant to happen */
export const intended = 'This error is meant to happen'

const hangs = 100

/** Does what a client has asked for; answers with whether its bytes are to be echoed */
export async function obey(command: string, request: Request): Promise<boolean> {
  switch (command) {
    case 'throw':
      throw new Error(intended)
    case 'hang': {
      const { signal } = request
      setTimeout(() => request.abort(new Error(intended)), hangs)
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve()
        else signal.addEventListener('abort', () => resolve(), { once: true })
      })
      return false
    }
    case 'exit':
      // In a thread this ends the thread.
      return process.exit(1)
    default:
      return command === 'echo'
  }
}

/** The first line says what to do; what follows it is echoed, to the end */
export default async function serve(request: Request): Promise<void> {
  const command = await request.rfile.readLine({ chomp: true })
  if (command === undefined || !(await obey(String(command), request))) return
  for await (const bytes of request.rfile) await request.wfile.write(bytes)
}
