import { describe, expect, it } from 'vitest'
import { inheritedFlags, threadFlags } from '../../../lib/flow/worker/inherited-flags.ts'
import { runChild } from '../../support/child.ts'

describe('options of Node for a child', () => {
  it('are those of its parent', () => {
    expect(inheritedFlags(['--no-warnings', '--require', './a.cjs', '-r', './b.cjs', '--import=c'])).toEqual([
      '--no-warnings',
      '--require',
      './a.cjs',
      '-r',
      './b.cjs',
      '--import=c'
    ])
  })

  it.for([
    ['--inspect'],
    ['--inspect-brk=127.0.0.1:0'],
    ['-e', 'evil()'],
    ['-p', 'evil()'],
    ['-pe', 'evil()'],
    ['--print', 'evil()'],
    ['--eval', 'evil()', '--input-type', 'module'],
    ['--eval=evil()', '--input-type=module'],
    ['--print=evil()', '--input-type', 'module'],
    ['--inspect-port', '9230', '--debug-port=1']
  ])('leave out %s', (flags) => {
    expect(inheritedFlags(['--no-warnings', ...flags, '--expose-gc'])).toEqual(['--no-warnings', '--expose-gc'])
  })

  it("are a thread's too, as far as it can have them", () => {
    expect(threadFlags(['--expose-gc', '-e', 'text'])).toEqual({})
    expect(threadFlags(['--input-type=module', '--eval', 'text'])).toEqual({ execArgv: [] })
  })

  it.for(['forked', 'threads'])('do not make workers of %s run the program of the command line', async (mode) => {
    const echo = new URL('../../property/pools/echo.mjs', import.meta.url)
    const { code, stdout } = await runChild(`
      const { isMainThread } = await import('node:worker_threads')
      if (process.argv.length > 1 || process.send !== undefined || !isMainThread) process.exit(1)
      const server = await new lib.TCPServer({ host: '127.0.0.1', port: 0 }).listen()
      const statuses = []
      const serving = (async () => {
        for await (const { status } of lib.${mode}(new URL(${JSON.stringify(echo.href)}))(server)) statuses.push(status)
      })()
      const { connect } = await import('node:net')
      connect({ port: server.address.port, allowHalfOpen: true }).end('hello').on('data', (bytes) => console.log(String(bytes)))
        .on('end', () => server.close())
      await serving
      console.log(statuses)
    `)
    expect([code, stdout]).toEqual([0, "hello\n[ 'fulfilled' ]\n"])
  })
})
