/** Names for the numbers of linux/bpf.h. The numbers never change. The names are those of libbpf. */

/** Map types by name: `enum bpf_map_type`, the part after `BPF_MAP_TYPE_` in lower case. */
export const MapType = {
  hash: 1,
  array: 2,
  prog_array: 3,
  perf_event_array: 4,
  percpu_hash: 5,
  percpu_array: 6,
  stack_trace: 7,
  cgroup_array: 8,
  lru_hash: 9,
  lru_percpu_hash: 10,
  lpm_trie: 11,
  array_of_maps: 12,
  hash_of_maps: 13,
  devmap: 14,
  sockmap: 15,
  cpumap: 16,
  xskmap: 17,
  sockhash: 18,
  cgroup_storage: 19,
  reuseport_sockarray: 20,
  percpu_cgroup_storage: 21,
  queue: 22,
  stack: 23,
  sk_storage: 24,
  devmap_hash: 25,
  struct_ops: 26,
  ringbuf: 27,
  inode_storage: 28,
  task_storage: 29,
  bloom_filter: 30,
  user_ringbuf: 31,
  cgrp_storage: 32,
  arena: 33,
} as const;

/** Name of a map type, such as `'lru_hash'`. A number that is not in {@link MapType} appears as `'type 99'`. */
export type MapTypeName = keyof typeof MapType;

/** Program types by name: `enum bpf_prog_type`, the part after `BPF_PROG_TYPE_` in lower case. */
export const ProgramType = {
  unspec: 0,
  socket_filter: 1,
  kprobe: 2,
  sched_cls: 3,
  sched_act: 4,
  tracepoint: 5,
  xdp: 6,
  perf_event: 7,
  cgroup_skb: 8,
  cgroup_sock: 9,
  lwt_in: 10,
  lwt_out: 11,
  lwt_xmit: 12,
  sock_ops: 13,
  sk_skb: 14,
  cgroup_device: 15,
  sk_msg: 16,
  raw_tracepoint: 17,
  cgroup_sock_addr: 18,
  lwt_seg6local: 19,
  lirc_mode2: 20,
  sk_reuseport: 21,
  flow_dissector: 22,
  cgroup_sysctl: 23,
  raw_tracepoint_writable: 24,
  cgroup_sockopt: 25,
  tracing: 26,
  struct_ops: 27,
  ext: 28,
  lsm: 29,
  sk_lookup: 30,
  syscall: 31,
  netfilter: 32,
} as const;

/** Name of a program type, such as `'cgroup_sock_addr'`. */
export type ProgramTypeName = keyof typeof ProgramType;

/**
 * Hooks by name: `enum bpf_attach_type`, the values for cgroups and socket maps. The names are those that libbpf uses
 * for ELF sections.
 */
export const AttachType = {
  'cgroup_skb/ingress': 0,
  'cgroup_skb/egress': 1,
  'cgroup/sock_create': 2,
  sockops: 3,
  'sk_skb/stream_parser': 4,
  'sk_skb/stream_verdict': 5,
  'cgroup/dev': 6,
  sk_msg: 7,
  'cgroup/bind4': 8,
  'cgroup/bind6': 9,
  'cgroup/connect4': 10,
  'cgroup/connect6': 11,
  'cgroup/post_bind4': 12,
  'cgroup/post_bind6': 13,
  'cgroup/sendmsg4': 14,
  'cgroup/sendmsg6': 15,
  'cgroup/sysctl': 18,
  'cgroup/recvmsg4': 19,
  'cgroup/recvmsg6': 20,
  'cgroup/getsockopt': 21,
  'cgroup/setsockopt': 22,
  'cgroup/getpeername4': 29,
  'cgroup/getpeername6': 30,
  'cgroup/getsockname4': 31,
  'cgroup/getsockname6': 32,
  'cgroup/sock_release': 34,
} as const;

/** Name of a hook, such as `'cgroup/connect4'`. */
export type AttachTypeName = keyof typeof AttachType;

const reverse = (table: Readonly<Record<string, number>>): Map<number, string> =>
  new Map(Object.entries(table).map(([name, number]) => [number, name]));

const mapTypes = reverse(MapType);
const programTypes = reverse(ProgramType);
const attachTypes = reverse(AttachType);

/** @internal */
export function mapTypeName(type: number): MapTypeName | `type ${number}` {
  return (mapTypes.get(type) as MapTypeName | undefined) ?? `type ${type}`;
}

/** @internal */
export function programTypeName(type: number): ProgramTypeName | `type ${number}` {
  return (programTypes.get(type) as ProgramTypeName | undefined) ?? `type ${type}`;
}

/** @internal */
export function attachTypeName(type: number): AttachTypeName | undefined {
  return attachTypes.get(type) as AttachTypeName | undefined;
}

/** @internal */
export function attachTypeNumber(name: AttachTypeName): number {
  const number: number | undefined = AttachType[name];
  if (number === undefined) {
    throw new RangeError(
      `unknown attach type ${JSON.stringify(name)}; known are ${Object.keys(AttachType).join(', ')}`,
    );
  }
  return number;
}
