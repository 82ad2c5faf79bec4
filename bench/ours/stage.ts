import { drain, parallel, pipe } from 'it-socketserver'
import { EmptyRequests } from '../harness/empty-requests.ts'
import { FullHouse } from '../harness/full-house.ts'
import { offerOwnWork } from '../harness/own-work.ts'

const limit = Number(process.argv[2])

await offerOwnWork(async (seconds) => {
  const house = new FullHouse(limit)
  await using server = new EmptyRequests(seconds, house.open)
  await pipe(server, parallel(house.enter, { limit }), drain)
  return server.count
})
