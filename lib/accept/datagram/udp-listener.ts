import type { RequestServer } from '../../request.ts'
import type { Stats } from '../../stats.ts'
import type { Listener } from '../../transport.ts'
import type { UDPListenerOptions } from './datagram-options.ts'
import type { DatagramRequest } from './datagram-request.ts'
import { NativeDatagramListener } from './native-datagram-listener.ts'
import { NodeDatagramListener } from './node-datagram-listener.ts'
import { UDPBinding } from './udp-binding.ts'

/**
 * The listener of a UDP server.
 *
 * @param native - by system calls, not by `node:dgram`
 * @param options - where and how
 * @param owner - the server whose requests they are
 * @param stats - where they are counted
 */
export function udpListener(
  native: boolean,
  options: UDPListenerOptions,
  owner: RequestServer,
  stats: Stats
): Listener<DatagramRequest> {
  return native
    ? new NativeDatagramListener(new UDPBinding(options), options, owner, stats)
    : new NodeDatagramListener(options, owner, stats)
}
