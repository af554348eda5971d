import { check, libbpf } from '../native';
import type { NativeObject } from './native-object';
import type { OpenObjectAccess } from './open-map';
import { attachTypeName, programTypeName, type AttachTypeName, type ProgramTypeName } from './types';

/**
 * A program of an object that is not loaded yet.
 *
 * Valid until the object is loaded or closed.
 */
export class OpenBpfProgram {
  /** Name of its C function. */
  readonly name: string;
  readonly #access: OpenObjectAccess;

  private constructor(name: string, access: OpenObjectAccess) {
    this.name = name;
    this.#access = access;
  }

  /** @internal */
  static make(name: string, access: OpenObjectAccess): OpenBpfProgram {
    return new OpenBpfProgram(name, access);
  }

  /** Kind of the program, such as `'cgroup_sock_addr'`. */
  get type(): ProgramTypeName | `type ${number}` {
    return programTypeName(libbpf.bpf_program__type(this.#at()));
  }

  /** Where its section says it attaches; `undefined` when it says nothing that concerns cgroups or socket maps. */
  get attachType(): AttachTypeName | undefined {
    return attachTypeOf(this.#at());
  }

  /**
   * Whether `load()` loads it. Default: true. Set it to false for a program that the running kernel does not support;
   * the loaded object does not have it then.
   */
  get autoload(): boolean {
    return libbpf.bpf_program__autoload(this.#at());
  }

  /** Sets it for the coming load; throws `ERR_BPF_CLOSED` after that. */
  set autoload(value: boolean) {
    if (typeof value !== 'boolean') throw new TypeError(`autoload: a boolean is needed, got ${typeof value}`);
    this.#access.apply(`autoload ${this.name}`, native => {
      check(libbpf.bpf_program__set_autoload(this.#at(native), value ? 1 : 0), {
        operation: 'bpf_program__set_autoload',
        subject: `program "${this.name}"`,
      });
    });
  }

  #at(native: NativeObject = this.#access.native()): number {
    return native.programs.get(this.name) ?? 0;
  }
}

/** Kinds of programs whose expected attach type says where they attach; for others the number 0 says nothing. */
const ATTACHABLE: readonly string[] = [
  'cgroup_skb',
  'cgroup_sock',
  'cgroup_sock_addr',
  'cgroup_sockopt',
  'cgroup_device',
  'cgroup_sysctl',
  'sock_ops',
  'sk_msg',
  'sk_skb',
];

/** @internal */
export function attachTypeOf(program: number): AttachTypeName | undefined {
  if (!ATTACHABLE.includes(programTypeName(libbpf.bpf_program__type(program)))) return undefined;
  return attachTypeName(libbpf.bpf_program__expected_attach_type(program));
}
