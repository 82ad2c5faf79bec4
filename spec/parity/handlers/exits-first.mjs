import echoLine from './echo-line.mjs'

export default async function exitsFirst(request) {
  const [start] = await request.rfile.peek(1)
  if (String.fromCharCode(start) === 'b') process.exit(3)
  await echoLine(request)
}
