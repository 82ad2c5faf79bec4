import { EmptyRequests } from '../harness/empty-requests.ts'
import { FullHouse } from '../harness/full-house.ts'
import { offerOwnWork } from '../harness/own-work.ts'

await offerOwnWork(async (seconds) => {
  // One at a time: it may go at once.
  const house = new FullHouse(1)
  await using server = new EmptyRequests(seconds, house.open)
  for await (const request of server) {
    try {
      await house.enter()
    } finally {
      await request.close()
    }
  }
  return server.count
})
