import { BpfError, type BpfErrorOptions } from './bpf-error';
import { defineError } from './merbridge-error';

/** Options of a {@link NotSupportedError}: what is missing, and which release or configuration has it. */
export interface NotSupportedErrorOptions extends BpfErrorOptions {
  /** First kernel release that has the feature, such as `'5.7'`. */
  minimumKernel?: string | undefined;
  /** First libbpf release that has the function, such as `'1.0'`. */
  minimumLibbpf?: string | undefined;
  /** Kernel configuration option that enables the feature, such as `'CONFIG_CGROUP_BPF'`. */
  kernelOption?: string | undefined;
}

/**
 * The running kernel, its configuration or the installed libbpf lacks a feature.
 *
 * A program that can work without the feature catches this error and continues.
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
 *     console.warn(`continuing without ${error.feature} (Linux ${error.minimumKernel ?? 'unknown'})`);
 *   }
 * }
 * ```
 */
export class NotSupportedError extends BpfError {
  /** Always `'ERR_BPF_NOT_SUPPORTED'`. */
  declare readonly code: 'ERR_BPF_NOT_SUPPORTED';
  /** Name of the missing feature. */
  readonly feature: string;
  /** First kernel release that has the feature, such as `'5.7'`. Absent if the kernel release is not the reason. */
  declare readonly minimumKernel?: string;
  /** First libbpf release that has the feature. Absent if libbpf is not the reason. */
  declare readonly minimumLibbpf?: string;
  /** Kernel configuration option that enables the feature, such as `'CONFIG_CGROUP_BPF'`. Absent if it is unknown. */
  declare readonly kernelOption?: string;

  /**
   * Creates the error.
   *
   * @param feature - name of the missing feature
   * @param options - which release or configuration has the feature, and where the failure happened
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
