import type { PodOptions } from '../mesh';

/** Whether two pods are treated alike. @internal */
export function sameTreatment(one: PodOptions, other: PodOptions): boolean {
  return canonical(one) === canonical(other);
}

function canonical({ acceleration = 'inherit', ...rest }: PodOptions): string {
  return JSON.stringify([acceleration, rest]);
}
