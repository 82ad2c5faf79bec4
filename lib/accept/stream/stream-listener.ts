import type { RequestServer } from '../../request.ts'
import type { Stats } from '../../stats.ts'
import { InheritedBinding } from './inherited-binding.ts'
import { NativeStreamListener } from './native-stream-listener.ts'
import { NativeTCPBinding } from './native-tcp-binding.ts'
import { NativeUnixBinding } from './native-unix-binding.ts'
import { NodeInheritedBinding } from './node-inherited-binding.ts'
import { NodeStreamListener } from './node-stream-listener.ts'
import type { InheritedListenerOptions, TCPListenerOptions, UnixListenerOptions } from './stream-options.ts'
import { TCPBinding } from './tcp-binding.ts'
import { UnixStreamBinding } from './unix-stream-binding.ts'

/**
 * The listener of a TCP server.
 *
 * @param native - by system calls, not by `node:net`
 * @param options - where and how
 * @param owner - the server whose requests they are
 * @param stats - where they are counted
 */
export function tcpListener(
  native: boolean,
  options: TCPListenerOptions | InheritedListenerOptions,
  owner: RequestServer,
  stats: Stats
): NativeStreamListener | NodeStreamListener {
  if (native) {
    const binding = 'fd' in options ? new InheritedBinding('TCP socket', options) : new NativeTCPBinding(options)
    return new NativeStreamListener(binding, options, owner, stats)
  }
  const binding = 'fd' in options ? new NodeInheritedBinding('TCP socket', options) : new TCPBinding(options)
  return new NodeStreamListener(binding, options, owner, stats)
}

/**
 * The listener of a Unix stream server.
 *
 * @param native - by system calls, not by `node:net`
 * @param options - where and how
 * @param owner - the server whose requests they are
 * @param stats - where they are counted
 */
export function unixListener(
  native: boolean,
  options: UnixListenerOptions | InheritedListenerOptions,
  owner: RequestServer,
  stats: Stats
): NativeStreamListener | NodeStreamListener {
  if (native) {
    const binding =
      'fd' in options ? new InheritedBinding('Unix stream socket', options) : new NativeUnixBinding(options)
    return new NativeStreamListener(binding, options, owner, stats)
  }
  const binding =
    'fd' in options ? new NodeInheritedBinding('Unix stream socket', options) : new UnixStreamBinding(options)
  return new NodeStreamListener(binding, options, owner, stats)
}
