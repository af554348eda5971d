/** The value of an option of the command line that is one of some; all of them if it is not given. */
export function oneOf<T extends string>(name: string, text: string | undefined, all: readonly T[]): readonly T[] {
  if (text === undefined) return all;
  const found = all.filter(value => value === text);
  if (found.length === 0) throw new RangeError(`--${name} must be one of ${all.join(', ')}, not '${text}'`);
  return found;
}
