import type { MessageRequest } from 'it-socketserver'
import { EmptyRequests } from '../harness/empty-requests.ts'
import { FullHouse } from '../harness/full-house.ts'
import { offerOwnWork } from '../harness/own-work.ts'

const limit = Number(process.argv[2])

async function serve(request: MessageRequest, house: FullHouse): Promise<void> {
  try {
    await house.enter()
  } finally {
    await request.close()
  }
}

// As many under way as the mode has, and nothing that holds the loop back: the house lets them go.
await offerOwnWork(async (seconds) => {
  const house = new FullHouse(limit)
  await using server = new EmptyRequests(seconds, house.open)
  for await (const request of server) void serve(request, house)
  return server.count
})
