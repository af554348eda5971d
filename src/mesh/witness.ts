import { BpfArrayMap, BpfSockHashMap, OpenBpfObject, tcpPair, type TcpPair } from '../bpf';
import { u32, u64 } from '../codec';
import { objectPath } from './objects';

/** What one message over a loopback connection tells about the kernel, and about this process. */
export interface Witness {
  /**
   * Whether this kernel charges redirected bytes to the receiver's `sk_rmem_alloc`, which is what the programs bound a stalled reader's
   * memory by. Kernels do since Linux 6.13, and where it was backported; so it is tried, and never derived from a version.
   */
  readonly chargesReceiver: boolean;
  /** Kernel address of a socket of this process, and its cookie: while it is established, the process lives. */
  readonly owner: bigint;
  readonly ownerCookie: bigint;
  /** Holds that socket; to be closed with what the process owns. */
  readonly pair: TcpPair;
}

/**
 * Redirects one message between two sockets of this process.
 *
 * @internal
 */
export function witness(): Witness {
  using object = OpenBpfObject.openFile(objectPath('probe')).load();
  const sockets = BpfSockHashMap.from(object.map('probe_sockets'), { key: u32 });
  const sender = BpfArrayMap.from(object.map('probe_sender'), { value: u64 });
  const pair = tcpPair();
  try {
    using _verdict = sockets.attachVerdict(object.program('mb_probe'));
    sockets.set(0, pair.client);
    sockets.set(1, pair.server);
    const message = Buffer.alloc(16384);
    const before = pair.memInfo(pair.server);
    pair.send(pair.client, message);
    return {
      chargesReceiver: pair.memInfo(pair.server) - before >= message.length,
      owner: sender.get(0) ?? 0n,
      ownerCookie: sockets.get(0) ?? 0n,
      pair,
    };
  } catch (error) {
    pair.close();
    throw error;
  }
}
