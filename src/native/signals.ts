/** Keeps signals away from a call that the kernel stops when one is pending. */
import { libc } from './libc';

/** From asm-generic/signal-defs.h. */
const SIG_BLOCK = 0;
const SIG_SETMASK = 2;

/** Size of sigset_t in glibc and musl, which is larger than the set of the kernel. */
const SIGSET_BYTES = 128;

/**
 * Calls a function while all signals are blocked in this thread. Those that arrive are handled afterwards.
 *
 * The verifier stops with EAGAIN if a signal is pending (do_check in kernel/bpf/verifier.c), and libbpf repeats a load
 * only five times. A profiler sends SIGPROF more often than a large program takes to verify.
 *
 * @param call - synchronous function
 * @returns what it returns
 */
export function withSignalsBlocked<T>(call: () => T): T {
  const before = Buffer.alloc(SIGSET_BYTES);
  if (libc.pthread_sigmask(SIG_BLOCK, Buffer.alloc(SIGSET_BYTES, 0xff), before) !== 0) return call();
  try {
    return call();
  } finally {
    libc.pthread_sigmask(SIG_SETMASK, before, null);
  }
}
