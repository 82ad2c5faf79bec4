import { expect, it, vi } from 'vitest'
import { hasChannels } from '../../../lib/accept/native/descriptor-channel.ts'
import { reactor } from '../../../lib/accept/native/reactor.ts'
import { PassedChild } from '../../../lib/flow/worker/passed-child.ts'
import { handlerModule } from '../../support/handler-module.ts'
import { descriptorsOf, poolChildren } from '../../support/pool-children.ts'

const module = handlerModule('export default () => {}')
const host = { heard() {}, gone() {} }

it.runIf(hasChannels())('leaves nothing behind where it cannot be started', () => {
  const watching = vi.spyOn(reactor(), 'add').mockImplementationOnce(() => {
    throw new Error('epoll_ctl ENOSPC')
  })
  const before = descriptorsOf(process.pid)
  expect(() => new PassedChild(module.href, { env: undefined, execArgv: undefined }, host)).toThrow('ENOSPC')
  watching.mockRestore()
  // One that cannot be spawned at all: a NUL is in its arguments.
  expect(() => new PassedChild('data:\0', { env: undefined, execArgv: undefined }, host)).toThrow(/null bytes/)
  expect(poolChildren()).toEqual([])
  expect(descriptorsOf(process.pid)).toBe(before)
})
