/**
 * Waiting until a file descriptor can be read, without a thread and without a timer.
 *
 * Node watches sockets, pipes and terminals; a map of the kernel is none of these, and Node has no function for "any
 * file descriptor". Its executable exports libuv, though, so this asks libuv's uv_poll_t in Node's own event loop.
 * While nothing happens, nothing runs.
 *
 * Tried and left: a worker thread, or a thread of the pool, that blocks in epoll_wait keeps the process from ending, as
 * both are joined at the exit; one that returns now and then wakes up for nothing.
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

/** UV_POLL of enum uv_handle_type; checked by its name before it is used. */
const UV_POLL = 8;
const UV_READABLE = 1;

const uv = bindLazily(UV_FUNCTIONS, name => {
  const address = processSymbol(name);
  if (address === undefined) {
    throw new NotSupportedError(`${name}() of libuv`, {
      hint: 'this Node.js does not export libuv; take an official build of Node.js 20 or later',
    });
  }
  return address;
});

/** Watches by the address of their handle. */
const watches = new Map<number, FdWatch>();
let callback: Buffer | undefined;

/**
 * Tells when a file descriptor can be read. Made stopped. In the main thread only, whose loop is libuv's default loop.
 */
export class FdWatch {
  readonly #handle: Buffer;
  readonly #address: number;
  readonly #ready: () => void;
  #pending = false;
  #closed = false;

  /**
   * @param fd - can be watched once at a time; stays open until the watch is closed
   * @param ready - called by the event loop, again and again while there is something to read. What it throws is an
   * uncaught exception
   * @throws NotSupportedError in a worker thread, and where Node does not export libuv
   */
  constructor(fd: number, ready: () => void) {
    if (!isMainThread) {
      throw new NotSupportedError('waiting for a map in a worker thread', { hint: 'do it in the main thread' });
    }
    if (cString(uv.uv_handle_type_name(UV_POLL)) !== 'poll') {
      throw new NotSupportedError('watching a file descriptor', {
        hint: 'the libuv of this Node.js numbers its handles otherwise than libuv 1',
      });
    }
    this.#handle = Buffer.alloc(uv.uv_handle_size(UV_POLL));
    this.#address = addressOf(this.#handle);
    this.#ready = ready;
    check(uv.uv_poll_init(uv.uv_default_loop(), this.#handle, fd), { operation: 'uv_poll_init' });
    held.add(this.#handle);
    watches.set(this.#address, this);
  }

  /** Begins to wait. */
  start(): void {
    check(uv.uv_poll_start(this.#handle, UV_READABLE, (callback ??= pollCallback())), { operation: 'uv_poll_start' });
  }

  /** Stops waiting; `ready` is not called any more until the next start. */
  stop(): void {
    this.#pending = false;
    uv.uv_poll_stop(this.#handle);
  }

  /** Whether waiting keeps the process alive. It does at first. */
  keepAlive(yes: boolean): void {
    if (yes) uv.uv_ref(this.#handle);
    else uv.uv_unref(this.#handle);
  }

  /** Ends it. The file descriptor may be closed afterwards. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.stop();
    watches.delete(this.#address);
    uv.uv_close(this.#handle, 0);
    // libuv uses the handle until the end of the turn of the loop, which comes after what is "immediate" in it.
    setImmediate(() => setImmediate(() => held.delete(this.#handle)));
  }

  /** @internal */
  wake(): void {
    if (this.#pending) return;
    this.#pending = true;
    // Not in the frame of C: there an exception would get lost, and promises would not go on.
    setImmediate(() => {
      if (!this.#pending) return;
      this.#pending = false;
      this.#ready();
    });
  }
}

/**
 * void callback(uv_poll_t *handle, int status, int events). See log.ts on why arguments are copied and buffers kept.
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
