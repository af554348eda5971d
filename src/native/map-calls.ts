import { libbpfSymbol } from './library';
import { addressOf } from './memory';
import { argumentBlock, signatureOf, writeWord } from './prepared';
import { ffi } from './ffi';
import { LIBBPF_FUNCTIONS } from './symbols';

type Name = 'bpf_map_update_elem' | 'bpf_map_lookup_elem' | 'bpf_map_delete_elem' | 'bpf_map_get_next_key';

const functions = new Map<Name, { fn: Buffer; signature: Buffer }>();

function functionOf(name: Name): { fn: Buffer; signature: Buffer } {
  let found = functions.get(name);
  if (found === undefined) {
    const row = LIBBPF_FUNCTIONS[name];
    found = { fn: libbpfSymbol(name, row), signature: signatureOf(row.returns, row.args) };
    functions.set(name, found);
  }
  return found;
}

/**
 * Prepared calls for single entries of one map. File descriptor and addresses are written once, so a call costs about a
 * microsecond and allocates nothing.
 *
 * Keys and values are passed in buffers that belong to this object. Write {@link MapCalls.key} and {@link
 * MapCalls.value} before a call, and read them after it. The methods return the result of libbpf: 0, or a negated error
 * number.
 */
export class MapCalls {
  /** Key of the next call. */
  readonly key: Buffer;
  /** Value of the next update, or of the last lookup. */
  readonly value: Buffer;
  /** Key that {@link MapCalls.nextKey} found. */
  readonly next: Buffer;

  readonly #result = Buffer.alloc(8);
  readonly #call = ffi().call;
  readonly #update;
  readonly #lookup;
  readonly #delete;
  readonly #nextKey;
  readonly #keyAddress: number;

  /**
   * Prepares the calls.
   *
   * @param fd - file descriptor of the map. It must stay open while calls are made
   * @param keySize - size of a key in bytes
   * @param valueBytes - bytes that the kernel copies for a value. For per-CPU maps: the values of all CPUs
   * @throws LibraryLoadError (`ERR_BPF_LIBRARY_LOAD`) if libbpf cannot be loaded
   */
  constructor(fd: number, keySize: number, valueBytes: number) {
    // Not slices of the shared pool, because their addresses are kept.
    this.key = Buffer.alloc(Math.max(keySize, 1));
    this.value = Buffer.alloc(Math.max(valueBytes, 1));
    this.next = Buffer.alloc(Math.max(keySize, 1));
    this.#keyAddress = addressOf(this.key);
    const value = addressOf(this.value);
    const build = (name: Name, ...args: number[]) => {
      const { slots, argv } = argumentBlock(args.length + 1);
      slots.writeInt32LE(fd, 0);
      args.forEach((arg, index) => writeWord(slots, arg, 8 * (index + 1)));
      return { ...functionOf(name), slots, argv };
    };
    this.#update = build('bpf_map_update_elem', this.#keyAddress, value, 0);
    this.#lookup = build('bpf_map_lookup_elem', this.#keyAddress, value);
    this.#delete = build('bpf_map_delete_elem', this.#keyAddress);
    this.#nextKey = build('bpf_map_get_next_key', this.#keyAddress, addressOf(this.next));
  }

  /**
   * bpf_map_update_elem(3): stores `value` under `key`.
   *
   * @param flags - 0 any, 1 create only, 2 update only
   * @returns 0, or a negated error number
   */
  update(flags: number): number {
    this.#update.slots.writeUInt32LE(flags, 24);
    return this.#run(this.#update);
  }

  /**
   * bpf_map_lookup_elem(3): reads the value of `key` into `value`.
   *
   * @returns 0, or a negated error number
   */
  lookup(): number {
    return this.#run(this.#lookup);
  }

  /**
   * bpf_map_delete_elem(3): deletes the entry of `key`.
   *
   * @returns 0, or a negated error number
   */
  delete(): number {
    return this.#run(this.#delete);
  }

  /**
   * bpf_map_get_next_key(3): writes the key after `key` to `next`.
   *
   * @param first - whether to find the first key of the map instead
   * @returns 0, or a negated error number
   */
  nextKey(first: boolean): number {
    writeWord(this.#nextKey.slots, first ? 0 : this.#keyAddress, 8);
    return this.#run(this.#nextKey);
  }

  #run(prepared: { fn: Buffer; signature: Buffer; argv: Buffer }): number {
    this.#call(prepared.signature, prepared.fn, this.#result, prepared.argv);
    return this.#result.readInt32LE(0);
  }
}
