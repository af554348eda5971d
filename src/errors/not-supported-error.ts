import { BpfError, type BpfErrorOptions } from './bpf-error';
import { defineError } from './merbridge-error';

/** What is missing, and where it would be found. */
export interface NotSupportedErrorOptions extends BpfErrorOptions {
  /** First kernel release that has the feature, such as `'5.7'`. */
  minimumKernel?: string | undefined;
  /** First libbpf release that has the function, such as `'1.0'`. */
  minimumLibbpf?: string | undefined;
  /** Option that a kernel is built with to have the feature, such as `'CONFIG_CGROUP_BPF'`. */
  kernelOption?: string | undefined;
}

/**
 * The running kernel, its configuration or the installed libbpf lacks a feature.
 *
 * A program that can do without the feature catches this one and goes on.
 *
 * @example
 * ```ts
 * import { NotSupportedError } from 'merbridge';
 * import { Cgroup, type BpfProgram } from 'merbridge/bpf';
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
  /** Option that a kernel is built with to have it, such as `'CONFIG_CGROUP_BPF'`; absent when that is not known. */
  declare readonly kernelOption?: string;

  /**
   * @param feature - what is missing, in a few words
   * @param options - where it would be found, and the usual facts
   */
  constructor(feature: string, options: NotSupportedErrorOptions = {}) {
    const { minimumKernel, minimumLibbpf, kernelOption } = options;
    const releases = [
      minimumKernel === undefined ? undefined : `Linux ${minimumKernel}`,
      minimumLibbpf === undefined ? undefined : `libbpf ${minimumLibbpf}`,
    ].filter(need => need !== undefined);
    const needs = [
      releases.length === 0 ? undefined : `at least ${releases.join(' and ')}`,
      kernelOption === undefined ? undefined : `a kernel built with ${kernelOption}`,
    ].filter(need => need !== undefined);
    const needed = needs.length === 0 ? '' : `, needs ${needs.join(', ')}`;
    super('ERR_BPF_NOT_SUPPORTED', options, `${feature} is not supported here${needed}`);
    this.feature = feature;
    if (minimumKernel !== undefined) this.minimumKernel = minimumKernel;
    if (minimumLibbpf !== undefined) this.minimumLibbpf = minimumLibbpf;
    if (kernelOption !== undefined) this.kernelOption = kernelOption;
  }
}

defineError(NotSupportedError, 'NotSupportedError');
