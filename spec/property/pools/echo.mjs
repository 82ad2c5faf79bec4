// Sends back what comes, as it comes, and takes its time, so that who ends it ends it in the middle.
import { setTimeout as sleep } from 'node:timers/promises'

export default async (request) => {
  await sleep(25)
  for await (const bytes of request.rfile) await request.wfile.write(bytes)
}
