import parallel from 'it-parallel'
import { EmptyRequests } from '../harness/empty-requests.ts'
import { FullHouse } from '../harness/full-house.ts'
import { offerOwnWork } from '../harness/own-work.ts'

const concurrency = Number(process.argv[2])

async function* tasks(server: EmptyRequests, work: () => Promise<void>): AsyncGenerator<() => Promise<void>> {
  for await (const request of server) {
    yield async () => {
      try {
        await work()
      } finally {
        await request.close()
      }
    }
  }
}

await offerOwnWork(async (seconds) => {
  const house = new FullHouse(concurrency)
  await using server = new EmptyRequests(seconds, house.open)
  for await (const _ of parallel(tasks(server, house.enter), { concurrency }));
  return server.count
})
