import { BpfSockHashMap, OpenBpfObject, tcpPair } from '../bpf';
import { u32 } from '../codec';
import { objectPath } from './objects';

let answer: boolean | undefined;

/**
 * Whether this kernel charges redirected bytes to the receiver's `sk_rmem_alloc`, which is what the programs bound a stalled reader's
 * memory by. Kernels do since Linux 6.13, and where it was backported; so it is tried, with one message over a loopback connection,
 * and never derived from a version. The answer is kept for the life of the process.
 *
 * @internal
 */
export function chargesReceiver(): boolean {
  answer ??= probe();
  return answer;
}

function probe(): boolean {
  using object = OpenBpfObject.openFile(objectPath('probe')).load();
  using pair = tcpPair();
  const sockets = BpfSockHashMap.from(object.map('probe_sockets'), { key: u32 });
  using _verdict = sockets.attachVerdict(object.program('mb_probe'));
  sockets.set(0, pair.client);
  sockets.set(1, pair.server);
  const message = Buffer.alloc(16384);
  const before = pair.memInfo(pair.server);
  pair.send(pair.client, message);
  return pair.memInfo(pair.server) - before >= message.length;
}
