import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { AbortedError } from '../errors.ts'
import type { Request } from '../request.ts'
import type { KitCase } from './kit.ts'
import { listening, type Tested } from './listener-host.ts'
import { connected, received, type StreamListenerSubject } from './stream-subject.ts'
import { type Trial, turns } from './trial.ts'

const MiB = 1024 * 1024

async function both(trial: Trial, subject: StreamListenerSubject) {
  const made: Tested = await listening(trial, subject.listener)
  const client = await connected(trial, subject, made.listener)
  return { ...made, client, request: await made.accept() }
}

const gone = (trial: Trial, request: Request): Promise<unknown> =>
  trial.soon('the request goes', new Promise<void>((resolve) => request.whenClosed(() => resolve())))

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Bytes of which no two stretches are alike. */
function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0, x = 1; i < length; i += 4) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0
    bytes.writeUInt32LE(x, i)
  }
  return bytes
}

/** What the bytes of a connection go through. */
export const streamBytesCases: readonly KitCase<StreamListenerSubject>[] = [
  {
    name: 'reads a client to its end and then answers it',
    when: ({ halfOpen }) => halfOpen !== false,
    async run(trial, subject) {
      const { client, request } = await both(trial, subject)
      client.end('all of it')
      const all = await trial.soon('the end is read', request.rfile.readAll())
      assert.equal(all.toString(), 'all of it')
      await turns()
      assert.equal(request.signal.aborted, false, 'an end is no abort')
      await request.wfile.write('answer')
      void request.close().catch(() => {})
      assert.equal((await received(trial, client)).toString(), 'answer')
      await gone(trial, request)
      assert.equal(request.abortReason, undefined)
    }
  },
  {
    name: 'ends its output and goes on reading',
    async run(trial, subject) {
      const { client, request } = await both(trial, subject)
      const reply = received(trial, client)
      reply.catch(() => {})
      await trial.soon('end() returns', request.wfile.end('first'))
      assert.equal((await reply).toString(), 'first')
      if (subject.halfOpen === false) return
      client.end('second')
      assert.equal(String(await trial.soon('the input is read', request.rfile.readAll())), 'second')
    }
  },
  {
    name: 'carries 8 MiB there and back, whole',
    async run(trial, subject) {
      const { client, request, stats } = await both(trial, subject)
      const sent = noise(8 * MiB)
      const reply = received(trial, client, 3)
      reply.catch(() => {})
      client.write(sent)
      let left = sent.length
      for (; left > 0; ) {
        const bytes = await trial.soon('more comes', request.rfile.read())
        if (bytes === undefined) break
        left -= bytes.length
        await trial.soon('what was written leaves', request.wfile.write(bytes))
      }
      void request.close().catch(() => {})
      assert.equal(hash(await reply), hash(sent))
      assert.equal(request.bytesIn, sent.length)
      assert.equal(request.bytesOut, sent.length)
      assert.equal(stats.bytesIn, sent.length)
      assert.equal(stats.bytesOut, sent.length)
    }
  },
  {
    name: 'delivers a reply whole though its client still sends, and has not been read',
    async run(trial, subject) {
      const { client, request } = await both(trial, subject)
      const reply = noise(300_000)
      client.write(Buffer.alloc(MiB))
      await turns()
      request.wfile.write(reply).catch(() => {})
      void request.close().catch(() => {})
      await turns()
      client.write('and more')
      assert.equal(hash(await received(trial, client)), hash(reply))
      client.end()
      await gone(trial, request)
    }
  },
  {
    name: 'reads nothing before somebody asks, and makes the client wait',
    async run(trial, subject) {
      const { client, request } = await both(trial, subject)
      let left = false
      client.write(Buffer.alloc(64 * MiB), () => {
        left = true
      })
      await turns(50)
      assert.equal(request.bytesIn, 0)
      assert.equal(left, false, 'the client is rid of 64 MiB that nobody reads')
    }
  },
  {
    name: 'makes a writer wait for a client that does not read, and ends the wait when that goes',
    async run(trial, subject) {
      const { client, request } = await both(trial, subject)
      let written = 0
      const writing = (async () => {
        while (written < 64 * MiB) {
          await request.wfile.write(Buffer.alloc(65_536))
          written += 65_536
        }
      })()
      writing.catch(() => {})
      let before = -1
      for (let still = 0; still < 50; still = written === before ? still + 1 : 0) {
        before = written
        await turns(1)
      }
      assert.ok(written < 64 * MiB, 'the writer never waits')
      assert.ok(request.wfile.length <= MiB, `${request.wfile.length} bytes are held`)
      client.destroy()
      await assert.rejects(trial.soon('the write fails', writing), { code: 'ERR_REQUEST_ABORTED', cause: 'peer-gone' })
    }
  },
  {
    name: 'aborts a request whose client is reset, and its read',
    when: ({ reset }) => reset !== undefined,
    async run(trial, subject) {
      const { client, request } = await both(trial, subject)
      client.write('half a li')
      const line = request.rfile.readLine()
      line.catch(() => {})
      await trial.until('the half line comes', () => request.bytesIn === 9)
      subject.reset?.(client)
      await assert.rejects(trial.soon('the read fails', line), { code: 'ERR_REQUEST_ABORTED', cause: 'peer-gone' })
      assert.equal(request.signal.aborted, true)
      await gone(trial, request)
      await request.close().catch(() => {})
    }
  },
  {
    name: 'cuts a client off where its request is aborted, once',
    async run(trial, subject) {
      const { client, request } = await both(trial, subject)
      const parked = request.rfile.read()
      parked.catch(() => {})
      request.abort(new Error('enough'))
      request.abort(new Error('again'))
      await assert.rejects(trial.soon('the read that waits fails', parked), (error: unknown) => {
        assert.ok(error instanceof AbortedError)
        assert.equal((error.origin as Error).message, 'enough')
        return true
      })
      await received(trial, client)
      await gone(trial, request)
      await request.close()
      await assert.rejects(request.wfile.write('late'))
    }
  },
  {
    name: 'closes a request twice, also where nothing was read or written',
    async run(trial, subject) {
      const { client, request } = await both(trial, subject)
      await trial.soon('close() returns', Promise.all([request.close(), request.close()]))
      assert.equal((await received(trial, client)).length, 0)
      client.end()
      await gone(trial, request)
    }
  }
]
