import type { Pod } from '../pod';

/** Sockets of pods in which bytes wait, as `ss` shows them: what a transfer that hangs waits for. */
export function waitingSockets(pods: readonly Pod[]): string[] {
  return pods.flatMap(pod =>
    pod
      .admin('ss', ['-Htnp'])
      .split('\n')
      .filter(line => /^\S+\s+([1-9]\d*\s+\d+|\d+\s+[1-9]\d*)\s/.test(line))
      .map(line => `${pod.name}: ${line.replace(/\s+/g, ' ').trim()}`),
  );
}
