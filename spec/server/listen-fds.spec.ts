import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ListenError, listenFds } from '../../lib/index.ts'
import { runChild } from '../support/child.ts'
import { listeningSocket, madeSocket } from '../support/made-sockets.ts'
import { temporaryPath } from '../support/peers.ts'

const names = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID'] as const
type Variables = Partial<Record<(typeof names)[number], string>>

const mine = `${process.pid}`

function setEnvironment(variables: Variables): void {
  for (const name of names) delete process.env[name]
  Object.assign(process.env, variables)
}

const environment = (): (string | undefined)[] => names.map((name) => process.env[name])

describe('listenFds', () => {
  let before: Variables = {}

  beforeEach(() => {
    before = Object.fromEntries(
      names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))
    )
  })

  afterEach(() => setEnvironment(before))

  for (const [what, variables] of [
    ['there are no variables', {}],
    ['they are for another process', { LISTEN_PID: `${process.ppid}`, LISTEN_FDS: '1' }],
    ['nobody says for which process', { LISTEN_FDS: '1' }],
    ['nobody says how many', { LISTEN_PID: mine, LISTEN_FDNAMES: 'web' }],
    ['those for another process are nonsense', { LISTEN_PID: '1', LISTEN_FDS: 'x', LISTEN_FDNAMES: 'a:b' }]
  ] as const) {
    it(`finds nothing where ${what}, and leaves no variable behind`, () => {
      setEnvironment(variables)
      expect(listenFds()).toEqual([])
      expect(environment()).toEqual([undefined, undefined, undefined, undefined])
    })
  }

  for (const [variables, message] of [
    [{ LISTEN_PID: 'me', LISTEN_FDS: '1' }, 'LISTEN_PID must be a whole number from 1 to 2147483644: it is "me"'],
    [{ LISTEN_PID: '', LISTEN_FDS: '1' }, 'LISTEN_PID must be a whole number'],
    [{ LISTEN_PID: mine, LISTEN_FDS: '' }, 'LISTEN_FDS must be a whole number from 1 to 2147483644: it is ""'],
    [{ LISTEN_PID: mine, LISTEN_FDS: '0' }, 'LISTEN_FDS must be a whole number'],
    [{ LISTEN_PID: mine, LISTEN_FDS: '-1' }, 'LISTEN_FDS must be a whole number'],
    [{ LISTEN_PID: mine, LISTEN_FDS: '1.0' }, 'LISTEN_FDS must be a whole number'],
    [{ LISTEN_PID: mine, LISTEN_FDS: ' 1' }, 'LISTEN_FDS must be a whole number'],
    [{ LISTEN_PID: mine, LISTEN_FDS: '99999999999' }, 'LISTEN_FDS must be a whole number'],
    [
      { LISTEN_PID: mine, LISTEN_FDS: '2', LISTEN_FDNAMES: 'web' },
      'LISTEN_FDNAMES has 1 names for 2 descriptors: "web"'
    ],
    [
      { LISTEN_PID: mine, LISTEN_FDS: '1', LISTEN_FDNAMES: 'a:b' },
      'LISTEN_FDNAMES has 2 names for 1 descriptors: "a:b"'
    ]
  ] as const) {
    it(`says what is wrong with ${JSON.stringify({ ...variables, LISTEN_PID: 'LISTEN_PID' in variables && variables.LISTEN_PID === mine ? 'mine' : variables.LISTEN_PID })}`, () => {
      setEnvironment(variables)
      const look = (): unknown => listenFds()
      expect(look).toThrow(ListenError)
      expect(environment()).toEqual([undefined, undefined, undefined, undefined])
      setEnvironment(variables)
      expect(look).toThrow(`Cannot take the activated sockets: ${message}`)
      setEnvironment(variables)
      expect(look).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    })
  }

  it('leaves the variables where it is told to', () => {
    setEnvironment({ LISTEN_PID: `${process.ppid}`, LISTEN_FDS: '1', LISTEN_FDNAMES: 'web' })
    expect(listenFds({ unset: false })).toEqual([])
    expect(environment()).toEqual([`${process.ppid}`, '1', 'web', undefined])
  })

  it('takes nothing but its options', () => {
    expect(() => listenFds({ unset: 1 as never })).toThrow(TypeError)
    expect(() => listenFds({ keep: true } as never)).toThrow('listenFds has no option keep')
  })

  it('gives the descriptors in their order, with their names and kinds, and only once', async () => {
    const sockets = [
      listeningSocket(),
      madeSocket('IPv6', 'datagram'),
      listeningSocket({ path: temporaryPath() }),
      madeSocket({ path: temporaryPath() }, 'datagram')
    ]
    const { code, stdout, stderr } = await runChild(
      `
      Object.assign(process.env, { LISTEN_PID: process.pid, LISTEN_FDS: 4, LISTEN_FDNAMES: 'a:b::d' })
      console.log(JSON.stringify([lib.listenFds({ unset: false }), lib.listenFds(), lib.listenFds()]))
      `,
      { inherited: sockets.map(({ fd }) => fd) }
    )
    expect([code, stderr]).toEqual([0, ''])
    const all = [
      { fd: 3, name: 'a', kind: 'tcp' },
      { fd: 4, name: 'b', kind: 'udp' },
      { fd: 5, name: '', kind: 'unix' },
      { fd: 6, name: 'd', kind: 'unix-datagram' }
    ]
    expect(JSON.parse(stdout)).toEqual([all, all, []])
  })

  it('tells those that are not open, and those that no server is for', async () => {
    const { code, stdout, stderr } = await runChild(
      `
      import { closeSync, openSync } from 'node:fs'
      process.env.LISTEN_PID = process.pid
      const file = openSync('/dev/null')
      process.env.LISTEN_FDS = file - 2
      console.log(JSON.stringify(lib.listenFds({ unset: false }).at(-1)))
      closeSync(file)
      try {
        lib.listenFds()
      } catch (error) {
        console.log(error instanceof lib.ListenError, error.code, error.cause.code, error.message.replaceAll(file, 'N'))
      }
      `
    )
    expect([code, stderr]).toEqual([0, ''])
    const [last = '', error] = stdout.trim().split('\n')
    expect(JSON.parse(last)).toEqual({ fd: expect.any(Number), name: 'unknown' })
    expect(error).toBe(
      'true EBADF EBADF Cannot take the activated sockets: descriptor N of 3 to N, which LISTEN_FDS says, is not open'
    )
  })
})
