export default async function echoLine({ rfile, wfile }) {
  const line = await rfile.readLine()
  if (line !== undefined) await wfile.write(line)
}
