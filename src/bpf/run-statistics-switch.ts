import { closeSync } from 'node:fs';

import { check, libbpf } from '../native';
import { closeOnError } from './fd';
import { Handle } from './handle';

/** BPF_STATS_RUN_TIME of linux/bpf.h. */
const RUN_TIME = 0;

/**
 * Enables run statistics: while it is open, the kernel counts the runs and the run time of every program on this
 * machine, which costs some nanoseconds a run. {@link BpfProgram.runStatistics} reads them.
 *
 * It ends with `close()` or with the process. Other processes that enabled statistics are not affected.
 */
export class RunStatisticsSwitch extends Handle {
  readonly #fd: number;

  private constructor(fd: number) {
    super('switch of run statistics');
    this.#fd = fd;
  }

  /**
   * Enables the statistics.
   *
   * Command: `BPF_ENABLE_STATS` of bpf(2). Since Linux 5.8; needs CAP_SYS_ADMIN.
   *
   * @returns the switch. The caller closes it
   * @throws PermissionError (`ERR_BPF_PERMISSION`) if the process lacks capabilities
   * @throws BpfError (`ERR_BPF_SYSTEM_CALL`) if the kernel refuses; `errnoName` says why
   */
  static enable(): RunStatisticsSwitch {
    const fd = check(libbpf.bpf_enable_stats(RUN_TIME), { operation: 'bpf_enable_stats' });
    return closeOnError(fd, () => new RunStatisticsSwitch(fd));
  }

  /** @internal */
  protected override release(): void {
    closeSync(this.#fd);
  }
}
