import type { RequestServer } from '../../request.ts'
import type { Stats } from '../../stats.ts'
import type { Listener } from '../../transport.ts'
import { NativeStreamListener } from './native-stream-listener.ts'
import { NativeTCPBinding } from './native-tcp-binding.ts'
import { NativeUnixBinding } from './native-unix-binding.ts'
import { NodeStreamListener } from './node-stream-listener.ts'
import type { TCPListenerOptions, UnixListenerOptions } from './stream-options.ts'
import type { StreamRequest } from './stream-request.ts'
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
  options: TCPListenerOptions,
  owner: RequestServer,
  stats: Stats
): Listener<StreamRequest> {
  return native
    ? new NativeStreamListener(new NativeTCPBinding(options), options, owner, stats)
    : new NodeStreamListener(new TCPBinding(options), options, owner, stats)
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
  options: UnixListenerOptions,
  owner: RequestServer,
  stats: Stats
): Listener<StreamRequest> {
  return native
    ? new NativeStreamListener(new NativeUnixBinding(options), options, owner, stats)
    : new NodeStreamListener(new UnixStreamBinding(options), options, owner, stats)
}
