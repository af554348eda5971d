import { check, libbpf } from '../native';
import type { NativeObject } from './native-object';
import type { OpenObjectAccess } from './open-map';
import { attachTypeName, programTypeName, type AttachTypeName, type ProgramTypeName } from './types';

/**
 * A program of an object that is not loaded yet.
 *
 * It is valid until the object is loaded or closed. Afterwards every access throws a ClosedError (`ERR_BPF_CLOSED`).
 *
 * @example
 * ```ts
 * import { OpenBpfObject } from 'merbridge/bpf';
 *
 * const open = OpenBpfObject.openFile('connect.bpf.o');
 * open.program('connect6').autoload = false;
 * const object = open.load(); // without connect6
 * object.close();
 * ```
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

  /** Program type, such as `'cgroup_sock_addr'`. */
  get type(): ProgramTypeName | `type ${number}` {
    return programTypeName(libbpf.bpf_program__type(this.#at()));
  }

  /** The hook that its ELF section names. `undefined` if the section names none for cgroups or socket maps. */
  get attachType(): AttachTypeName | undefined {
    return attachTypeOf(this.#at());
  }

  /**
   * Whether `load()` loads the program. Default: true. Set it to false for a program that the running kernel does not
   * support. The loaded object then lacks the program.
   *
   * @throws TypeError if the new value is not a boolean
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if libbpf refuses the new value
   * @throws ClosedError (`ERR_BPF_CLOSED`) if the object is closed
   */
  get autoload(): boolean {
    return libbpf.bpf_program__autoload(this.#at());
  }

  /**
   * Sets whether the next load includes the program.
   *
   * @param value - whether to load it
   */
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

/** Program types whose expected attach type names the hook. For other types, the number 0 has no meaning. */
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
