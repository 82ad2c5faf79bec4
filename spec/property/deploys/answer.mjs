// Answers a line «name size» with so many bytes that follow from the name, and who has answered: the number of the deploy.
export function bytesFor(name, size) {
  return Buffer.alloc(size, `${name} `)
}

export default async ({ rfile, wfile }) => {
  const line = await rfile.readLine({ chomp: true })
  if (line === undefined) throw new Error('Nobody has asked anything')
  const [name, size] = String(line).split(' ')
  await wfile.write(bytesFor(name, Number(size)))
  await wfile.end(`by ${process.env.DEPLOY}\n`)
}
