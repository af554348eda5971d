/**
 * Waits until a file descriptor is readable, without a thread and without a timer.
 *
 * Node.js watches sockets, pipes and terminals. A BPF map is none of these, and Node.js has no function for other file
 * descriptors. But its executable exports libuv, so this uses uv_poll_t of libuv in the event loop of Node.js. While
 * nothing happens, nothing runs.
 *
 * Rejected alternatives: a worker thread, or a thread of the pool, that blocks in epoll_wait prevents the process from
 * exiting, because both are joined at exit. One that returns now and then wakes up for nothing.
 */
import { isMainThread } from 'node:worker_threads';

import { NotSupportedError } from '../errors';
import { bindLazily, type FunctionRow } from './bind';
import { check } from './call';
import { processSymbol } from './dynamic-library';
import { ffi } from './ffi';
import { held } from './held';
import { libc } from './libc';
import { addressOf, cString } from './memory';
import { readWord, signatureOf } from './prepared';

const UV_FUNCTIONS = {
  uv_default_loop: { returns: 'address', args: [] },
  uv_handle_type_name: { returns: 'address', args: ['u32'] },
  uv_handle_size: { returns: 'size', args: ['u32'] },
  uv_poll_init: { returns: 'int', args: ['size', 'pointer', 'int'] },
  uv_poll_start: { returns: 'int', args: ['pointer', 'int', 'pointer'] },
  uv_poll_stop: { returns: 'int', args: ['pointer'] },
  uv_close: { returns: 'void', args: ['pointer', 'size'] },
  uv_ref: { returns: 'void', args: ['pointer'] },
  uv_unref: { returns: 'void', args: ['pointer'] },
} as const satisfies Record<string, FunctionRow>;

/** UV_POLL of enum uv_handle_type. Its name is checked before it is used. */
const UV_POLL = 8;
const UV_READABLE = 1;

const uv = bindLazily(UV_FUNCTIONS, name => {
  const address = processSymbol(name);
  if (address === undefined) {
    throw new NotSupportedError(`${name}() of libuv`, {
      hint: 'this Node.js does not export libuv; use an official build of Node.js 20 or later',
    });
  }
  return address;
});

/** Watches by the address of their handle. */
const watches = new Map<number, FdWatch>();
let callback: Buffer | undefined;

/** Reports when a file descriptor is readable. It works only in the main thread, whose loop is libuv's default loop. */
export class FdWatch {
  readonly #handle: Buffer;
  readonly #address: number;
  readonly #ready: () => void;
  #pending = false;
  #closed = false;

  /**
   * Creates a watch that is not started.
   *
   * @param fd - file descriptor. It can be watched only once at a time, and must stay open until the watch is closed
   * @param ready - called by the event loop repeatedly while the descriptor is readable. Its exceptions are uncaught
   * exceptions
   * @throws NotSupportedError (`ERR_BPF_NOT_SUPPORTED`) if called in a worker thread, or if this Node.js does not
   * export libuv
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   */
  constructor(fd: number, ready: () => void) {
    if (!isMainThread) {
      throw new NotSupportedError('waiting for a map in a worker thread', { hint: 'use it in the main thread' });
    }
    if (cString(uv.uv_handle_type_name(UV_POLL)) !== 'poll') {
      throw new NotSupportedError('watching a file descriptor', {
        hint: 'the libuv of this Node.js numbers its handle types differently from libuv 1',
      });
    }
    this.#handle = Buffer.alloc(uv.uv_handle_size(UV_POLL));
    this.#address = addressOf(this.#handle);
    this.#ready = ready;
    check(uv.uv_poll_init(uv.uv_default_loop(), this.#handle, fd), { operation: 'uv_poll_init' });
    held.add(this.#handle);
    watches.set(this.#address, this);
  }

  /**
   * Starts waiting.
   *
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   */
  start(): void {
    check(uv.uv_poll_start(this.#handle, UV_READABLE, (callback ??= pollCallback())), { operation: 'uv_poll_start' });
  }

  /** Stops waiting. `ready` is not called until the next start. */
  stop(): void {
    this.#pending = false;
    uv.uv_poll_stop(this.#handle);
  }

  /**
   * Sets whether waiting keeps the process alive. Initially it does.
   *
   * @param yes - whether it does
   */
  keepAlive(yes: boolean): void {
    if (yes) uv.uv_ref(this.#handle);
    else uv.uv_unref(this.#handle);
  }

  /** Closes the watch. The file descriptor may be closed afterwards. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.stop();
    watches.delete(this.#address);
    uv.uv_close(this.#handle, 0);
    // libuv uses the handle until the end of the current turn of the event loop, which comes after its immediates.
    setImmediate(() => setImmediate(() => held.delete(this.#handle)));
  }

  /** @internal */
  wake(): void {
    if (this.#pending) return;
    this.#pending = true;
    // Not in the frame of C, where an exception would be lost and promises would not continue.
    setImmediate(() => {
      if (!this.#pending) return;
      this.#pending = false;
      this.#ready();
    });
  }
}

/**
 * void callback(uv_poll_t *handle, int status, int events). See log.ts for why arguments are copied and buffers are
 * kept.
 */
function pollCallback(): Buffer {
  const word = Buffer.alloc(8);
  const body = (result: Buffer, argv: Buffer): void => {
    held.add(result.buffer).add(argv.buffer);
    libc.memcpy(word, addressOf(argv), 8);
    libc.memcpy(word, readWord(word, 0), 8);
    watches.get(readWord(word, 0))?.wake();
  };
  const signature = signatureOf('void', ['size', 'int', 'int']);
  const made = ffi().callback(signature, 8, 3, body);
  held.add(made).add(signature);
  return made;
}
