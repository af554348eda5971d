import type { Finished } from './children';

/** How often each outcome came. */
export type Outcomes = Record<string, number>;

/** Counts lines that are equal. */
export function tally(lines: readonly string[]): Outcomes {
  const outcomes: Outcomes = {};
  for (const line of lines) outcomes[line] = (outcomes[line] ?? 0) + 1;
  return outcomes;
}

/** The same for what a program printed, and how it ended if that was badly. */
export function tallyOf({ stdout, stderr, code, signal }: Finished): Outcomes {
  const lines = stdout.split('\n').filter(Boolean);
  if (code !== 0) lines.push(`ended by ${code ?? signal} ${stderr}`.trim());
  return tally(lines);
}
