import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type ErrorRecord, reviveError } from '../../../lib/flow/worker/error-record.ts'
import type { WorkerMessage } from '../../../lib/flow/worker/messages.ts'
import { ServeWorker } from '../../../lib/flow/worker/serve-worker.ts'
import {
  drain,
  type ForkOptions,
  forked,
  forkPool,
  pipe,
  type ThreadsOptions,
  threadPool,
  threads,
  WorkerStartError
} from '../../../lib/index.ts'
import { handlerModule } from '../../support/handler-module.ts'
import { dial, exchange, received } from '../../support/peers.ts'
import { tcp } from '../../support/servers.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

const good = handlerModule('export default (request) => request.wfile.end("served")')
const makers = { forked, forkPool, threads, threadPool }

describe('the module of a handler', () => {
  for (const [name, make] of Object.entries(makers)) {
    for (const wrong of [undefined, null, 5, {}, () => {}, './handler.js', 'handler', '', 'C:handler.js']) {
      it(`is an absolute address: ${name}(${JSON.stringify(wrong)})`, () => {
        expect(() => make(wrong as never)).toThrow(TypeError)
        expect(() => make(wrong as never)).toThrow(`${name} takes the URL of the handler's module`)
      })
    }
  }

  it('may be a URL, its text, or an absolute path', async () => {
    for (const module of [good, good.href, fileURLToPath(good)]) {
      const server = await tcp()
      const serving = drain(threads(module, { size: 1 })(server))
      expect(await exchange(server.address, '')).toBe('served')
      await server.close()
      await serving
    }
  })
})

describe('options', () => {
  const wrong: [ForkOptions, ThreadsOptions, string][] = [
    [{ maxChildren: 0 }, { size: 0 }, 'RangeError'],
    [{ maxChildren: 1.5 }, { size: 1.5 }, 'RangeError'],
    [{ maxChildren: '2' as never }, { size: '2' as never }, 'TypeError'],
    [{ requestsPerChild: 0 }, { requestsPerThread: 0 }, 'RangeError'],
    [{ maxRequestsPerChildInFlight: 0 }, { limit: 0 }, 'RangeError'],
    [{ spares: -1 }, { spares: -1 }, 'RangeError'],
    [{ timeout: 0 }, { timeout: 0 }, 'RangeError'],
    [{ startTimeout: Number.NaN }, { startTimeout: Number.NaN }, 'RangeError'],
    [{ env: [] as never }, { env: 'A=1' as never }, 'TypeError'],
    [{ execArgv: '--expose-gc' as never }, { resourceLimits: 5 as never }, 'TypeError'],
    [{ execArgv: [1] as never }, { resourceLimits: null as never }, 'TypeError'],
    [{ max_children: 2 } as never, { threads: 2 } as never, 'TypeError']
  ]
  for (const [fork, thread, name] of wrong) {
    it(`are checked at construction: ${JSON.stringify(fork)}, ${JSON.stringify(thread)}`, () => {
      for (const make of [forked, forkPool]) expect(() => make(good, fork)).toThrow(expect.objectContaining({ name }))
      for (const make of [threads, threadPool]) {
        expect(() => make(good, thread)).toThrow(expect.objectContaining({ name }))
      }
    })
  }

  it('say what a child has: its environment, and its flags', async () => {
    const module = handlerModule(
      "export default (request) => request.wfile.end([process.env.GREETING, process.execArgv, typeof gc].join(' '))"
    )
    const server = await tcp()
    const options = {
      maxChildren: 1,
      env: { ...process.env, GREETING: 'hi' },
      execArgv: ['--expose-gc']
    }
    const serving = drain(forked(module, options)(server))
    expect(await exchange(server.address, '')).toBe('hi --expose-gc function')
    await server.close()
    await serving
  })

  it('say what a thread has: its environment, and the bounds of its memory', async () => {
    const module = handlerModule(`
      import { resourceLimits } from 'node:worker_threads'
      export default (request) => request.wfile.end(process.env.GREETING + ' ' + resourceLimits.maxOldGenerationSizeMb)
    `)
    const server = await tcp()
    const options = { size: 1, env: { GREETING: 'hi' }, resourceLimits: { maxOldGenerationSizeMb: 50 } }
    const serving = drain(threads(module, options)(server))
    expect(await exchange(server.address, '')).toBe('hi 50')
    await server.close()
    await serving
  })
})

describe('workers that cannot be started', () => {
  const broken: [string, string, object, RegExp][] = [
    ['is not there', '', { code: 'ERR_MODULE_NOT_FOUND' }, /Cannot find module .*nowhere/],
    [
      'has no default export',
      'export const handler = 1',
      { name: 'TypeError' },
      /must export its handler as default.*handler/
    ],
    ['exports no handler', 'export default { handle () {} }', { name: 'TypeError' }, /A handler must be a function/],
    ['exports a class of its own', 'export default class Mine { handle () {} }', { name: 'TypeError' }, /must extend/],
    [
      'throws',
      'throw Object.assign(new RangeError("not today"), { code: "E_MINE" })',
      { name: 'RangeError', code: 'E_MINE' },
      /not today/
    ],
    [
      'has a wrong secureContext',
      'export default () => {}; export const secureContext = {}',
      { name: 'TypeError' },
      /secureContext must be a function/
    ],
    [
      'has a secureContext that returns nothing',
      'export default () => {}; export const secureContext = () => {}',
      { name: 'TypeError' },
      /secureContext takes an object of options: got undefined/
    ],
    [
      'has a secureContext whose certificate is none',
      'export default () => {}; export const secureContext = async () => ({ cert: "none", key: "none" })',
      { name: 'TypeError' },
      /cert is not a certificate/
    ],
    [
      'has a failing secureContext',
      'export default () => {}; export const secureContext = () => { throw new Error("no key") }',
      {},
      /no key/
    ]
  ]
  for (const [how, code, cause, message] of broken) {
    it(`tell why: the module ${how}`, async () => {
      const said: WorkerMessage[] = []
      let failed = false
      const worker = new ServeWorker({
        say(one, then) {
          said.push(one)
          then?.()
        },
        adopt: () => undefined,
        leave() {},
        fail() {
          failed = true
        }
      })
      await worker.load(code === '' ? 'file:///nowhere/handler.js' : handlerModule(code).href)
      expect(said).toMatchObject([{ type: 'failed' }])
      const { error } = said[0] as { error: ErrorRecord }
      expect(reviveError(error)).toMatchObject({ ...cause, message: expect.stringMatching(message) })
      expect(failed).toBe(true)
    })
  }

  it('end the stage with the last error of the module', async () => {
    const server = await tcp()
    const outcomes = threads(new URL('file:///nowhere/handler.js'), { size: 1 })(server)[Symbol.asyncIterator]()
    const failure: unknown = await outcomes.next().catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(WorkerStartError)
    expect(failure).toMatchObject({
      code: 'ERR_WORKER_START',
      message: expect.stringMatching(
        /^Cannot start a thread: 5 in a row have died before they could serve \(Cannot find module .*nowhere/
      ),
      cause: { code: 'ERR_MODULE_NOT_FOUND', stack: expect.stringContaining('nowhere') }
    })
    expect(await outcomes.next()).toEqual({ done: true, value: undefined })
    await server.closed
  })

  it('end the iterator and the server, and who waits is told', async () => {
    const module = handlerModule('throw new Error("not today")')
    const server = await tcp()
    const waiting = dial(server.address)
    const outcomes: unknown[] = []
    const serving = (async () => {
      for await (const outcome of forked(module, { maxChildren: 2 })(server)) outcomes.push(outcome)
    })()
    await expect(serving).rejects.toMatchObject({
      code: 'ERR_WORKER_START',
      message: 'Cannot start a child: 5 in a row have died before they could serve (not today)',
      cause: { message: 'not today', stack: expect.stringContaining('handler-') }
    })
    // It was taken before that was known, and nobody has read its outcome any more; or it was refused at the close.
    await received(await waiting).catch(() => {})
    const report = await server.closed
    expect(report.aborted).toBe(0)
    expect(server.stats().served).toBe(0)
  })

  it('end with how they died where they say nothing', async () => {
    const server = await tcp()
    const module = handlerModule('process.exit(3)')
    await expect(drain(forked(module, { maxChildren: 1 })(server))).rejects.toThrow(
      '(the last one ended with exit code 3)'
    )
  })

  it('are ended where they take too long', async () => {
    const server = await tcp()
    const module = handlerModule('await new Promise(() => setInterval(() => {}, 1000))')
    const stage = threads(module, { size: 1, startTimeout: 1 })
    await expect(drain(stage(server))).rejects.toThrow('(it did not start within 1 ms)')
  })

  it('make run() of a pool reject, now and later', async () => {
    const pool = threadPool(handlerModule('export default ('))
    onTestFinished(() => pool.close())
    const server = await tcp()
    const serving = (async () => {
      for await (const request of server) {
        await expect(pool.run(request)).rejects.toMatchObject({
          name: 'WorkerStartError',
          cause: { name: 'SyntaxError' }
        })
      }
    })()
    for (let i = 0; i < 2; i++) expect(await exchange(server.address, '')).toBe('')
    expect(pool.activeChildren.size).toBe(0)
    await server.close()
    await serving
  })

  it('may be started after all: a few that die are no crash loop', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'it-socketserver-starts-'))
    const module = handlerModule(`
      import { mkdirSync } from 'node:fs'
      try { mkdirSync('${folder}/one'); throw new Error('the first') } catch (error) { if (error.code !== 'EEXIST') throw error }
      export default (request) => request.wfile.end('after all')
    `)
    const server = await tcp()
    const serving = pipe(server, threads(module, { size: 1 }), drain)
    expect(await exchange(server.address, '')).toBe('after all')
    await server.close()
    await serving
  })

  it('may be started after all: those that still start are waited for', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'it-socketserver-starts-'))
    // The last of six begins when its parent has seen the others die.
    const module = handlerModule(`
      import { readFileSync, writeFileSync } from 'node:fs'
      import { setTimeout } from 'node:timers/promises'
      const file = (place) => '${folder}/' + place
      const isGone = (place) => {
        try { process.kill(Number(readFileSync(file(place))), 0) } catch (error) { return error.code === 'ESRCH' }
      }
      for (let place = 0; ; place++) {
        try { writeFileSync(file(place), String(process.pid), { flag: 'wx' }) } catch { continue }
        if (place < 5) throw new Error('no room')
        for (let at = 0; at < 5; at++) while (!isGone(at)) await setTimeout(5)
        break
      }
      export default (request) => request.wfile.end('after all')
    `)
    const server = await tcp()
    const serving = drain(forked(module, { maxChildren: 6, spares: 6 })(server))
    expect(await exchange(server.address, '')).toBe('after all')
    await server.close()
    await serving
  })

  it('are those too that die right after they have loaded: nobody starts them for ever', async () => {
    const module = handlerModule(`
      setTimeout(() => { throw new Error('no database') }, 20)
      export default () => {}
    `)
    for (const stage of [forked(module), threads(module)]) {
      const server = await tcp()
      await expect(drain(stage(server))).rejects.toThrow(/5 in a row have died .*no database/)
      await server.close()
    }
  })
})
