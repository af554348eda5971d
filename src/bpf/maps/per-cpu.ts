import type { Codec } from '../../codec';
import { check, libbpf } from '../../native';

let cpus: number | undefined;

/**
 * Returns the number of CPUs that this machine can have. A per-CPU map has this many values for each key.
 *
 * The number includes CPUs that are offline or can be hot-plugged, so it may be larger than `os.cpus().length`.
 *
 * @returns number of possible CPUs, from /sys/devices/system/cpu/possible
 * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the number cannot be read
 * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
 */
export function possibleCpus(): number {
  cpus ??= check(libbpf.libbpf_num_possible_cpus(), { operation: 'libbpf_num_possible_cpus' });
  return cpus;
}

/**
 * @internal Codec for the value of a per-CPU map as the kernel copies it: one value for each CPU, each rounded up to 8
 * bytes.
 */
export function perCpu<V>(codec: Codec<V>): Codec<readonly V[]> {
  const stride = Math.ceil(codec.size / 8) * 8;
  const count = possibleCpus();
  return {
    size: stride * count,
    name: `${codec.name ?? 'value'} per CPU`,
    encode: (values, buf, offset) => {
      if (!Array.isArray(values) || values.length !== count) {
        throw new RangeError(`one value for each of ${count} possible CPUs is needed`);
      }
      buf.fill(0, offset, offset + stride * count);
      values.forEach((value: V, cpu) => codec.encode(value, buf, offset + cpu * stride));
    },
    decode: (buf, offset) => Array.from({ length: count }, (_, cpu) => codec.decode(buf, offset + cpu * stride)),
  };
}
