import { readFileSync } from 'node:fs';

const MiB = 1024 * 1024;

/** Limits of the memory that an accelerated socket may use. */
export interface BufferSizes {
  /** Bytes charged to a receiver. Above this limit, messages take the TCP stack. */
  readonly backlogLimit: number;
  /** SO_RCVBUF of an accelerated socket, which the kernel doubles. 0 leaves both buffers unchanged. */
  readonly receiveBuffer: number;
  /** SO_SNDBUF of an accelerated socket, which the kernel doubles. */
  readonly sendBuffer: number;
}

/**
 * Computes the buffer sizes for a backlog limit. The receive buffer has room for the backlog and for a TCP window
 * beside it. Otherwise data that takes the TCP stack would be blocked by data that waits in the psock.
 *
 * A program cannot set more than `net.core.rmem_max`. If that is too small (the default is 208 KiB before Linux 6.17),
 * a smaller buffer would close the TCP window at every backlog. The sockets then keep their own buffers, which grow up
 * to `net.ipv4.tcp_rmem[2]`.
 *
 * @internal
 * @param backlogLimit - bytes
 * @param rmemMax - `net.core.rmem_max`, by default read from the kernel
 * @returns the sizes in bytes
 */
export function bufferSizes(backlogLimit: number, rmemMax = readRmemMax()): BufferSizes {
  const receiveBuffer = Math.ceil((backlogLimit + MiB) / 2);
  return { backlogLimit, receiveBuffer: receiveBuffer <= rmemMax ? receiveBuffer : 0, sendBuffer: MiB / 2 };
}

/** Returns 0 if there is no such file, for instance in a container without /proc/sys. */
function readRmemMax(): number {
  try {
    return Number(readFileSync('/proc/sys/net/core/rmem_max', 'utf8'));
  } catch {
    return 0;
  }
}
