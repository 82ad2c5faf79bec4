import type { NativeBinding } from '../native/native-binding.ts'

/** How a native datagram listener comes to its socket: what differs between UDP and Unix. */
export interface DatagramBinding extends NativeBinding {
  /** The largest datagram that the kernel can deliver, in bytes. */
  readonly largest: number
  /** Whether a send that finds no room waits for its peer to read, and not for this machine's own buffer. */
  readonly peersFill: boolean
}
