/**
 * The option structs of libbpf, laid out by ref-struct-di as C would.
 *
 * Each struct starts with its own size, from which libbpf knows the version of its caller. Every byte that is not set
 * must be zero, padding included, or newer releases refuse it. Pointers are fields of type `size_t`. Whoever sets one
 * keeps the memory behind it alive.
 */
import { ffi, type StructType } from './ffi';

/** C type by field name, in the order of the declaration. */
type Fields = Record<string, 'size_t' | 'uint32' | 'uint64' | 'int' | 'bool'>;

const FIELDS = {
  /** struct bpf_object_open_opts of libbpf 1.0, 80 bytes. */
  bpf_object_open_opts: {
    sz: 'size_t',
    object_name: 'size_t',
    relaxed_maps: 'bool',
    pin_root_path: 'size_t',
    reserved: 'uint32',
    kconfig: 'size_t',
    btf_custom_path: 'size_t',
    kernel_log_buf: 'size_t',
    kernel_log_size: 'size_t',
    kernel_log_level: 'uint32',
  },
  /** struct bpf_map_create_opts of libbpf 1.0, 48 bytes. */
  bpf_map_create_opts: {
    sz: 'size_t',
    btf_fd: 'uint32',
    btf_key_type_id: 'uint32',
    btf_value_type_id: 'uint32',
    btf_vmlinux_value_type_id: 'uint32',
    inner_map_fd: 'uint32',
    map_flags: 'uint32',
    map_extra: 'uint64',
    numa_node: 'uint32',
    map_ifindex: 'uint32',
  },
  /** struct bpf_map_batch_opts, 24 bytes. */
  bpf_map_batch_opts: { sz: 'size_t', elem_flags: 'uint64', flags: 'uint64' },
  /** struct bpf_link_update_opts, 16 bytes. */
  bpf_link_update_opts: { sz: 'size_t', flags: 'uint32', old_prog_fd: 'uint32' },
} as const satisfies Record<string, Fields>;

/** Name of an option struct. */
export type OptsName = keyof typeof FIELDS;

const types = new Map<string, StructType>();

/**
 * Returns the size of an option struct, for the test that compares it with the compiler's.
 *
 * @param name - name of the struct
 * @returns size in bytes
 */
export function optsSize(name: OptsName): number {
  return typeOf(name).size;
}

/**
 * Builds an option struct.
 *
 * @param name - name of the struct
 * @param values - fields to set; all others are zero
 * @returns the bytes of the struct, with `sz` set
 */
export function opts<N extends OptsName>(
  name: N,
  values: { readonly [F in Exclude<keyof (typeof FIELDS)[N], 'sz'>]?: number },
): Buffer {
  const Type = typeOf(name);
  const bytes = Buffer.alloc(Type.size);
  const struct = new Type(bytes);
  struct['sz'] = Type.size;
  for (const [field, value] of Object.entries<number | undefined>(values)) {
    if (value !== undefined) struct[field] = value;
  }
  return bytes;
}

function typeOf(name: OptsName): StructType {
  let type = types.get(name);
  if (type === undefined) {
    type = ffi().struct(FIELDS[name]);
    types.set(name, type);
  }
  return type;
}
