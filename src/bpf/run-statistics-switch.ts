import { closeSync } from 'node:fs';

import { check, libbpf } from '../native';
import { closeOnError } from './fd';
import { Handle } from './handle';

/** BPF_STATS_RUN_TIME of linux/bpf.h. */
const RUN_TIME = 0;

/**
 * While it is open the kernel counts the runs and the run time of every program of this machine, which costs each run
 * some nanoseconds. {@link BpfProgram.runStatistics} reads them.
 *
 * It ends with `close()` or with the process, and goes along with others that count: theirs goes on.
 */
export class RunStatisticsSwitch extends Handle {
  readonly #fd: number;

  private constructor(fd: number) {
    super('switch of run statistics');
    this.#fd = fd;
  }

  /**
   * Starts to count. The caller closes it.
   *
   * Since Linux 5.8; needs CAP_SYS_ADMIN.
   *
   * @throws BpfError with errnoName `'EPERM'` without it
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
