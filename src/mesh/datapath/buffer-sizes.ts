import { readFileSync } from 'node:fs';

const MiB = 1024 * 1024;

/** What an accelerated socket may hold. */
export interface BufferSizes {
  /** Bytes charged to a receiver above which messages take the TCP stack. */
  readonly backlogLimit: number;
  /** SO_RCVBUF of an accelerated socket, of which the kernel makes twice as much; 0 leaves its buffers alone. */
  readonly receiveBuffer: number;
  /** SO_SNDBUF, likewise. */
  readonly sendBuffer: number;
}

/**
 * Sizes for a backlog limit. The receive buffer has room for the backlog and for a window beside it, so that what takes
 * the stack is not held up behind what waits in the psock.
 *
 * A program cannot set more than `net.core.rmem_max`. Where that is too small for the whole (before Linux 6.17 it is
 * 208 KiB by default), a smaller buffer would shut the window at every backlog; so the sockets keep their own, which
 * grow up to `net.ipv4.tcp_rmem[2]`.
 *
 * @internal
 * @param backlogLimit - bytes
 * @param rmemMax - `net.core.rmem_max`, by default read from the kernel
 */
export function bufferSizes(backlogLimit: number, rmemMax = readRmemMax()): BufferSizes {
  const receiveBuffer = Math.ceil((backlogLimit + MiB) / 2);
  return { backlogLimit, receiveBuffer: receiveBuffer <= rmemMax ? receiveBuffer : 0, sendBuffer: MiB / 2 };
}

/** 0 where there is no such file, as in a container without /proc/sys. */
function readRmemMax(): number {
  try {
    return Number(readFileSync('/proc/sys/net/core/rmem_max', 'utf8'));
  } catch {
    return 0;
  }
}
