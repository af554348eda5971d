/**
 * The most likely reason of an error number in one operation. All such guesses are in this table. The first matching
 * row wins, so rows for one operation come before rows for all operations.
 */

interface HintRow {
  /** Name of the error number. */
  readonly errno: string;
  /** C functions that the row applies to. Absent: all. */
  readonly operation?: RegExp | undefined;
  /** What to check or to do, in a few words without a full stop. */
  readonly hint: string;
}

const ROWS: readonly HintRow[] = [
  {
    errno: 'EPERM',
    operation: /link_create|prog_attach|attach_cgroup/,
    hint: 'needs root or CAP_BPF + CAP_NET_ADMIN; or a program that was attached without "allow multi" at this cgroup or above it excludes others',
  },
  {
    errno: 'EPERM',
    operation: /pin|obj_get/,
    hint: 'needs root or CAP_BPF, and write permission in the BPF file system',
  },
  {
    errno: 'EPERM',
    operation: /map_(update|delete)/,
    hint: 'the map is frozen or was created read-only for user space',
  },
  {
    errno: 'EPERM',
    hint: 'needs root, or CAP_BPF + CAP_NET_ADMIN, and CAP_PERFMON for programs that read kernel memory',
  },
  { errno: 'EACCES', operation: /load/, hint: 'the verifier refused the program; its log says why' },
  {
    errno: 'EINVAL',
    operation: /map_create/,
    hint: 'a size is zero or not allowed for this map type, or the kernel lacks the type',
  },
  {
    errno: 'EINVAL',
    operation: /link_create|attach/,
    hint: 'the program type does not fit the attach type, or the kernel is older than 5.7 and has no cgroup links',
  },
  {
    errno: 'EINVAL',
    operation: /pin|obj_get/,
    hint: 'the path is not in a BPF file system; mount one with: mount -t bpf bpf /sys/fs/bpf',
  },
  {
    errno: 'EINVAL',
    operation: /object__load/,
    hint: 'a map, a relocation or the program does not suit this kernel; see the output of libbpf in "cause"',
  },
  {
    errno: 'EBADF',
    operation: /prog_query|link_create|attach/,
    hint: 'the cgroup is not a cgroup v2, or a handle was closed',
  },
  { errno: 'ENOENT', operation: /obj_get/, hint: 'nothing is pinned there' },
  { errno: 'ENOENT', operation: /map_update/, hint: 'mode "update" needs an existing key' },
  { errno: 'EEXIST', operation: /map_update/, hint: 'mode "create" needs a new key' },
  { errno: 'EEXIST', operation: /pin/, hint: 'something is already pinned there; unpin it first or open it' },
  { errno: 'EBUSY', operation: /object|set_/, hint: 'the object is already loaded' },
  { errno: 'E2BIG', operation: /map_update/, hint: 'the map is full' },
  {
    errno: 'E2BIG',
    operation: /prog_load|object__load/,
    hint: 'the program exceeds the complexity limit of the verifier',
  },
  { errno: 'ENOMEM', operation: /map/, hint: 'not enough kernel memory, or over the memory limit of the cgroup' },
  {
    errno: 'EMFILE',
    hint: 'raise the limit of open files (RLIMIT_NOFILE: ulimit -n, LimitNOFILE= of systemd), or close unused files',
  },
  { errno: 'ENFILE', hint: 'raise fs.file-max, or stop processes that keep many files open' },
  { errno: 'EROFS', hint: 'the file system is mounted read-only; mount -o remount,rw makes it writable' },
  { errno: 'EOPNOTSUPP', operation: /map_update/, hint: 'the socket is not an established TCP connection' },
  { errno: 'EOPNOTSUPP', hint: 'the kernel does not support this operation for this type of object' },
  { errno: 'ENOTSUPP', hint: 'the kernel does not support this operation for this type of object' },
  { errno: 'ESTALE', hint: 'the cgroup was removed' },
];

/**
 * Returns the likely reason of a failure.
 *
 * @param name - name of the error number, such as `'EPERM'`
 * @param operation - the libbpf or C function that failed
 * @returns a few words, or `undefined` if nothing useful is known
 */
export function hintFor(name: string, operation: string): string | undefined {
  return ROWS.find(row => row.errno === name && (row.operation?.test(operation) ?? true))?.hint;
}
