import type { Codec } from '../../codec';
import { check, libbpf } from '../../native';

let cpus: number | undefined;

/**
 * How many CPUs this machine can have: as many values a per-CPU map has for each key.
 *
 * That is more than are online where CPUs can be plugged in; `os.cpus().length` is the wrong number.
 */
export function possibleCpus(): number {
  cpus ??= check(libbpf.libbpf_num_possible_cpus(), { operation: 'libbpf_num_possible_cpus' });
  return cpus;
}

/** @internal The value of a per-CPU map as the kernel copies it: one after the other, each rounded up to 8 bytes. */
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
