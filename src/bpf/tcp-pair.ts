import { closeSync } from 'node:fs';

import { Errno } from '../errors';
import { checkErrno, libc, systemError, uint32Array, withErrno } from '../native';
import { Handle } from './handle';

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
/** asm-generic/socket.h. The result is nine 32-bit numbers: SK_MEMINFO_* of linux/sock_diag.h. */
const SO_MEMINFO = 55;
const SK_MEMINFO_VARS = 9;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** asm-generic/ioctls.h. For a socket it equals SIOCINQ of linux/sockios.h. */
const FIONREAD = 0x541b;
const POLLIN = 1;

/** Both ends of a TCP connection over loopback, as plain file descriptors. */
export class TcpPair extends Handle {
  /** File descriptor of the end that connected. It belongs to the pair. */
  readonly client: number;
  /** File descriptor of the end that was accepted. It belongs to the pair. */
  readonly server: number;

  /**
   * Takes over two connected sockets.
   *
   * @param client - file descriptor of the end that connected
   * @param server - file descriptor of the end that was accepted
   */
  constructor(client: number, server: number) {
    super('TCP pair');
    this.client = client;
    this.server = server;
  }

  /**
   * Sends without blocking.
   *
   * @param fd - one end
   * @param data - bytes to send
   * @returns number of bytes that were accepted; 0 if the buffers are full
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if sending fails; errnoName is `'EPIPE'` or `'ECONNRESET'` if the other
   * end is closed
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the pair is closed
   */
  send(fd: number, data: Buffer): number {
    return this.#transfer('send', () => libc.send(fd, data, data.length, MSG_DONTWAIT | MSG_NOSIGNAL));
  }

  /**
   * Receives without blocking.
   *
   * @param fd - one end
   * @param into - buffer that is filled from its start
   * @returns number of received bytes; 0 if there are none
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the pair is closed
   */
  receive(fd: number, into: Buffer): number {
    return this.#transfer('recv', () => libc.recv(fd, into, into.length, MSG_DONTWAIT));
  }

  /**
   * Reads how many bytes of kernel memory are charged to the receive queue of one end: `sk_rmem_alloc`.
   *
   * Socket option: `SO_MEMINFO`. Since Linux 4.12.
   *
   * @param fd - one end
   * @returns number of bytes
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the pair is closed
   */
  memInfo(fd: number): number {
    this.ensureOpen('getsockopt');
    const info = uint32Array(SK_MEMINFO_VARS);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(info.buffer.length, 0);
    checkErrno(() => libc.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info.buffer, length), {
      operation: 'getsockopt',
      subject: 'SO_MEMINFO',
    });
    return info.take(1)[0] ?? 0;
  }

  /**
   * Waits until one end is readable: poll(2).
   *
   * @param fd - one end
   * @param milliseconds - how long to wait at most. The event loop is blocked meanwhile
   * @returns whether it is readable; false too if a signal interrupts the wait
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the pair is closed
   */
  readable(fd: number, milliseconds: number): boolean {
    this.ensureOpen('poll');
    // struct pollfd: descriptor, requested events, returned events.
    const wanted = Buffer.alloc(8);
    wanted.writeInt32LE(fd, 0);
    wanted.writeInt16LE(POLLIN, 4);
    const { result, errno } = withErrno(() => libc.poll(wanted, 1, milliseconds));
    if (result === -1 && errno !== Errno.EINTR) throw systemError(errno, { operation: 'poll', subject: this.label });
    return result > 0;
  }

  /**
   * Reads how many bytes are available at one end according to the kernel: ioctl(2), `FIONREAD`. For a socket in a
   * sockmap, this may be less than the actual number.
   *
   * @param fd - one end
   * @returns number of bytes
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the pair is closed
   */
  unread(fd: number): number {
    this.ensureOpen('ioctl');
    const count = Buffer.alloc(4);
    checkErrno(() => libc.ioctl(fd, FIONREAD, count), { operation: 'ioctl', subject: 'FIONREAD' });
    return count.readInt32LE(0);
  }

  /** @internal */
  protected override release(): void {
    try {
      closeSync(this.client);
    } finally {
      closeSync(this.server);
    }
  }

  #transfer(operation: string, call: () => number): number {
    this.ensureOpen(operation);
    try {
      return checkErrno(call, { operation, subject: this.label });
    } catch (error) {
      if ((error as { errno?: number }).errno === Errno.EAGAIN) return 0;
      throw error;
    }
  }
}

/**
 * Creates a TCP connection over loopback, synchronously and without the event loop.
 *
 * It serves to probe what a kernel does with sockets in a map. The listening socket is bound to 127.0.0.1 and a port
 * that the kernel chooses, and is closed before this function returns.
 *
 * @returns both ends. The caller closes the pair
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if a socket call fails, for instance because the loopback interface of this
 * network namespace is down
 */
export function tcpPair(): TcpPair {
  const opened: number[] = [];
  const open = (operation: string, call: () => number): number => {
    const fd = checkErrno(call, { operation, subject: 'TCP pair' });
    opened.push(fd);
    return fd;
  };
  const step = (operation: string, call: () => number): void => {
    checkErrno(call, { operation, subject: 'TCP pair' });
  };
  try {
    const listener = open('socket', () => libc.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    // struct sockaddr_in: family, port and address in network byte order, 8 bytes of padding.
    const address = Buffer.alloc(16);
    address.writeUInt16LE(AF_INET, 0);
    address.writeUInt32BE(0x7f00_0001, 4);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(address.length, 0);
    step('bind', () => libc.bind(listener, address, address.length));
    step('listen', () => libc.listen(listener, 1));
    step('getsockname', () => libc.getsockname(listener, address, length));
    // If the backlog has room, loopback completes the handshake inside of connect(), so accept() finds a connection.
    const client = open('socket', () => libc.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    step('connect', () => libc.connect(client, address, address.length));
    const server = open('accept4', () => libc.accept4(listener, null, null, SOCK_CLOEXEC));
    closeSync(listener);
    opened.shift();
    return new TcpPair(client, server);
  } catch (error) {
    for (const fd of opened) closeSync(fd);
    throw error;
  }
}
