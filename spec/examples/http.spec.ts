import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'
import { dial, received, temporaryPath } from '../support/peers.ts'
import { HTTPServer } from './http.ts'

const run = promisify(execFile)

async function serving(): Promise<HTTPServer> {
  const server = await new HTTPServer({ path: temporaryPath() }).listen()
  const served = server.serveForever()
  onTestFinished(async () => {
    expect(await server.close()).toMatchObject({ aborted: 0 })
    await served
  })
  return server
}

async function curl({ address }: HTTPServer, ...words: string[]): Promise<string> {
  const { stdout } = await run('curl', ['--silent', '--max-time', '10', '--unix-socket', address.path, ...words])
  return stdout
}

async function ask({ address }: HTTPServer, text: string): Promise<string> {
  const client = await dial(address)
  client.end(text)
  return (await received(client)).toString()
}

it('answers curl, again and again over one connection', async () => {
  const server = await serving()
  const url = 'http://localhost/health'
  expect(await curl(server, url, url, '--write-out', '%{num_connects},')).toBe('well\n1,well\n0,')
  expect(server.stats()).toMatchObject({ accepted: 1, served: 1 })
})

it('takes a body, announced or not', async () => {
  const server = await serving()
  const large = 'a'.repeat(100_000)
  expect(await curl(server, '--data', 'hello', 'http://localhost/upper')).toBe('HELLO')
  const announced = ['--header', 'Expect: 100-continue', '--data', large, 'http://localhost/upper']
  expect(await curl(server, ...announced)).toBe(large.toUpperCase())
})

it('answers HEAD, HTTP/1.0, and what is not there', async () => {
  const server = await serving()
  expect(await curl(server, '--head', 'http://localhost/health')).toMatch(/^HTTP\/1.1 200 OK\r\nContent-Length: 5\r\n/)
  expect(await curl(server, '--http1.0', 'http://localhost/health')).toBe('well\n')
  expect(await curl(server, '--write-out', '%{http_code}', 'http://localhost/other')).toBe('nothing is at /other\n404')
})

it('answers pipelined requests in order', async () => {
  const server = await serving()
  const answer = await ask(
    server,
    'GET /health HTTP/1.1\r\nHost: a\r\n\r\nPOST /upper HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab'
  )
  expect(answer.match(/well|AB/g)).toEqual(['well', 'AB'])
})

it.each([
  ['hello\r\n\r\n', '400 Bad Request'],
  ['GET / HTTP/1.1\r\n\r\n', '400 Bad Request'],
  ['GET / HTTP/1.1\r\nHost: a\r\n', '400 Bad Request'],
  ['GET / HTTP/1.1\r\nHost : a\r\n\r\n', '400 Bad Request'],
  ['POST /upper HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n', '400 Bad Request'],
  ['POST /upper HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n', '413 Content Too Large'],
  ['POST /upper HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', '501 Not Implemented']
])('refuses %j', async (text, status) => {
  const server = await serving()
  expect(await ask(server, text)).toMatch(`HTTP/1.1 ${status}\r\n`)
})

it('refuses a head that has no end', async () => {
  const server = await serving()
  expect(await ask(server, `GET / HTTP/1.1\r\nHost: ${'a'.repeat(20_000)}\r\n\r\n`)).toMatch('HTTP/1.1 431 ')
})
