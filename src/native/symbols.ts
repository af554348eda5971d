/**
 * The functions of libbpf that this library calls, as declared in bpf.h and libbpf.h.
 *
 * `since` is the first release of libbpf that has the function with this signature. libbpf.so.1 has everything of 1.0,
 * so only later functions need it. Handles (`struct bpf_object *` and the like) are addresses.
 */
import type { FunctionRow } from './bind';

/** Signatures by name. */
export const LIBBPF_FUNCTIONS = {
  // library
  libbpf_major_version: { returns: 'u32', args: [] },
  libbpf_minor_version: { returns: 'u32', args: [] },
  libbpf_num_possible_cpus: { returns: 'int', args: [] },
  libbpf_set_print: { returns: 'address', args: ['pointer'] },
  libbpf_probe_bpf_map_type: { returns: 'int', args: ['u32', 'pointer'] },
  libbpf_probe_bpf_prog_type: { returns: 'int', args: ['u32', 'pointer'] },

  // object
  bpf_object__open_mem: { returns: 'address', args: ['pointer', 'size', 'pointer'] },
  bpf_object__load: { returns: 'int', args: ['size'] },
  bpf_object__close: { returns: 'void', args: ['size'] },
  bpf_object__next_map: { returns: 'address', args: ['size', 'size'] },
  bpf_object__next_program: { returns: 'address', args: ['size', 'size'] },

  // maps of an object
  bpf_map__name: { returns: 'address', args: ['size'] },
  bpf_map__fd: { returns: 'int', args: ['size'] },
  bpf_map__type: { returns: 'u32', args: ['size'] },
  bpf_map__key_size: { returns: 'u32', args: ['size'] },
  bpf_map__value_size: { returns: 'u32', args: ['size'] },
  bpf_map__max_entries: { returns: 'u32', args: ['size'] },
  bpf_map__set_max_entries: { returns: 'int', args: ['size', 'u32'] },
  bpf_map__map_flags: { returns: 'u32', args: ['size'] },
  bpf_map__is_internal: { returns: 'bool', args: ['size'] },
  bpf_map__reuse_fd: { returns: 'int', args: ['size', 'int'] },
  bpf_map__initial_value: { returns: 'address', args: ['size', 'pointer'] },
  bpf_map__set_initial_value: { returns: 'int', args: ['size', 'pointer', 'size'] },

  // programs of an object
  bpf_program__name: { returns: 'address', args: ['size'] },
  bpf_program__section_name: { returns: 'address', args: ['size'] },
  bpf_program__fd: { returns: 'int', args: ['size'] },
  bpf_program__type: { returns: 'u32', args: ['size'] },
  bpf_program__expected_attach_type: { returns: 'u32', args: ['size'] },
  bpf_program__autoload: { returns: 'bool', args: ['size'] },
  bpf_program__set_autoload: { returns: 'int', args: ['size', 'u32'] },
  bpf_program__set_log_buf: { returns: 'int', args: ['size', 'pointer', 'size'] },

  // maps by file descriptor
  bpf_map_create: { returns: 'int', args: ['u32', 'string', 'u32', 'u32', 'u32', 'pointer'] },
  bpf_map_update_elem: { returns: 'int', args: ['int', 'pointer', 'pointer', 'u64'] },
  bpf_map_lookup_elem: { returns: 'int', args: ['int', 'pointer', 'pointer'] },
  bpf_map_delete_elem: { returns: 'int', args: ['int', 'pointer'] },
  bpf_map_get_next_key: { returns: 'int', args: ['int', 'pointer', 'pointer'] },
  bpf_map_update_batch: { returns: 'int', args: ['int', 'pointer', 'pointer', 'pointer', 'pointer'] },
  bpf_map_delete_batch: { returns: 'int', args: ['int', 'pointer', 'pointer', 'pointer'] },
  bpf_map_lookup_batch: {
    returns: 'int',
    args: ['int', 'pointer', 'pointer', 'pointer', 'pointer', 'pointer', 'pointer'],
  },
  bpf_map_freeze: { returns: 'int', args: ['int'] },

  // pins, ids, facts
  bpf_obj_pin: { returns: 'int', args: ['int', 'string'] },
  bpf_obj_get: { returns: 'int', args: ['string'] },
  bpf_obj_get_info_by_fd: { returns: 'int', args: ['int', 'pointer', 'pointer'] },
  bpf_map_get_fd_by_id: { returns: 'int', args: ['u32'] },
  bpf_prog_get_fd_by_id: { returns: 'int', args: ['u32'] },
  bpf_link_get_fd_by_id: { returns: 'int', args: ['u32'] },
  bpf_prog_get_next_id: { returns: 'int', args: ['u32', 'pointer'] },
  bpf_map_get_next_id: { returns: 'int', args: ['u32', 'pointer'] },
  bpf_link_get_next_id: { returns: 'int', args: ['u32', 'pointer'] },
  bpf_enable_stats: { returns: 'int', args: ['u32'] },

  // attaching
  bpf_prog_attach: { returns: 'int', args: ['int', 'int', 'u32', 'u32'] },
  bpf_prog_detach2: { returns: 'int', args: ['int', 'int', 'u32'] },
  bpf_prog_query: { returns: 'int', args: ['int', 'u32', 'u32', 'pointer', 'pointer', 'pointer'] },
  bpf_link_create: { returns: 'int', args: ['int', 'int', 'u32', 'pointer'] },
  bpf_link_update: { returns: 'int', args: ['int', 'int', 'pointer'] },
  bpf_link_detach: { returns: 'int', args: ['int'] },
} as const satisfies Record<string, FunctionRow>;
