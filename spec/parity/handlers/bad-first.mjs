import echoLine from './echo-line.mjs'

export default async function badFirst(request) {
  const [start] = await request.rfile.peek(1)
  if (String.fromCharCode(start) === 'b') throw new RangeError('Test error')
  await echoLine(request)
}
