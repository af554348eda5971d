/** Functions of the C library that Node.js does not offer. */
import { NotSupportedError } from '../errors';
import { bindLazily, type FunctionRow } from './bind';
import { processSymbol } from './dynamic-library';

const LIBC_FUNCTIONS = {
  memcpy: { returns: 'address', args: ['pointer', 'pointer', 'size'] },
  strlen: { returns: 'size', args: ['pointer'] },
  // The last argument is a va_list, which is passed by reference on x86-64 and on arm64.
  vsnprintf: { returns: 'int', args: ['pointer', 'size', 'pointer', 'pointer'] },
  socket: { returns: 'int', args: ['int', 'int', 'int'] },
  bind: { returns: 'int', args: ['int', 'pointer', 'u32'] },
  listen: { returns: 'int', args: ['int', 'int'] },
  connect: { returns: 'int', args: ['int', 'pointer', 'u32'] },
  accept4: { returns: 'int', args: ['int', 'pointer', 'pointer', 'int'] },
  getsockname: { returns: 'int', args: ['int', 'pointer', 'pointer'] },
  getsockopt: { returns: 'int', args: ['int', 'int', 'int', 'pointer', 'pointer'] },
  // Variadic in C. With three integer arguments, the call is the same on both architectures.
  fcntl: { returns: 'int', args: ['int', 'int', 'int'] },
  flock: { returns: 'int', args: ['int', 'int'] },
  send: { returns: 'int', args: ['int', 'pointer', 'size', 'int'] },
  mmap: { returns: 'address', args: ['pointer', 'size', 'int', 'int', 'int', 'u64'] },
  munmap: { returns: 'int', args: ['size', 'size'] },
  sysconf: { returns: 'size', args: ['int'] },
  recv: { returns: 'int', args: ['int', 'pointer', 'size', 'int'] },
  // Also variadic: the third argument is an address or an integer.
  ioctl: { returns: 'int', args: ['int', 'size', 'pointer'] },
  pthread_sigmask: { returns: 'int', args: ['int', 'pointer', 'pointer'] },
  poll: { returns: 'int', args: ['pointer', 'size', 'int'] },
} as const satisfies Record<string, FunctionRow>;

/** Functions of the C library. If one fails, it returns -1 and sets errno. */
export const libc = bindLazily(LIBC_FUNCTIONS, name => {
  const address = processSymbol(name);
  if (address === undefined) throw new NotSupportedError(`${name}() of the C library`);
  return address;
});
