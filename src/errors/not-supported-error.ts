import { BpfError, defineError, type BpfErrorOptions } from './bpf-error';

/** What is missing, and where it would be found. */
export interface NotSupportedErrorOptions extends BpfErrorOptions {
  /** First kernel release that has the feature, such as `'5.7'`. */
  minimumKernel?: string | undefined;
  /** First libbpf release that has the function, such as `'1.0'`. */
  minimumLibbpf?: string | undefined;
}

/**
 * The running kernel, its configuration or the installed libbpf lacks a feature.
 *
 * A program that can do without the feature catches this one and goes on.
 *
 * @example
 * ```ts
 * import { Cgroup, NotSupportedError, type BpfProgram } from 'merbridge';
 *
 * function attachIfPossible(cgroup: Cgroup, program: BpfProgram): void {
 *   try {
 *     cgroup.attach(program);
 *   } catch (error) {
 *     if (!(error instanceof NotSupportedError)) throw error;
 *     console.warn(`going on without ${error.feature} (Linux ${error.minimumKernel ?? 'unknown'})`);
 *   }
 * }
 * ```
 */
export class NotSupportedError extends BpfError {
  declare readonly code: 'ERR_BPF_NOT_SUPPORTED';
  /** The feature that is missing, in a few words. */
  readonly feature: string;
  /** First kernel release that has it, such as `'5.7'`; absent when the kernel is not what is missing. */
  declare readonly minimumKernel?: string;
  /** First libbpf release that has it; absent when libbpf is not what is missing. */
  declare readonly minimumLibbpf?: string;

  /**
   * @param feature - what is missing, in a few words
   * @param options - where it would be found, and the usual facts
   */
  constructor(feature: string, options: NotSupportedErrorOptions = {}) {
    const needs = [
      options.minimumKernel === undefined ? undefined : `Linux ${options.minimumKernel}`,
      options.minimumLibbpf === undefined ? undefined : `libbpf ${options.minimumLibbpf}`,
    ].filter((need) => need !== undefined);
    const needed = needs.length === 0 ? '' : `, needs at least ${needs.join(' and ')}`;
    super('ERR_BPF_NOT_SUPPORTED', options, `${feature} is not supported here${needed}`);
    this.feature = feature;
    if (options.minimumKernel !== undefined) this.minimumKernel = options.minimumKernel;
    if (options.minimumLibbpf !== undefined) this.minimumLibbpf = options.minimumLibbpf;
  }
}

defineError(NotSupportedError, 'NotSupportedError');
