import { through } from 'it-socketserver'

export default through(async function* (source) {
  let text = ''
  for await (const bytes of source) text += Buffer.from(bytes.subarray()).toString()
  yield text.toUpperCase()
  yield 'bye\n'
})
