// Says who has called by which proxy, and what has come.
const path = (address) => (address === undefined ? 'nobody' : (address.path ?? `${address.host}:${address.port}`))

export default async (request) => {
  const { clientAddress, proxy, rfile, wfile } = request
  const { version, authority, destination, proxyAddress, tlvs, ssl } = proxy
  const isBuffer = tlvs.every(({ value }) => Buffer.isBuffer(value))
  const words = [path(clientAddress), version, path(destination), authority, ssl?.version, tlvs.length, isBuffer]
  await wfile.write(`${words.join(' ')} ${proxyAddress?.host === '127.0.0.1'} ${await rfile.readAll()}`)
}
