export default async function shout({ rfile, wfile }) {
  await wfile.write(String(await rfile.readLine()).toUpperCase())
  await wfile.write('bye\n')
}
