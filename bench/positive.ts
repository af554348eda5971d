/** The number of an option of the command line. */
export function positive(name: string, text: string, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > max)
    throw new RangeError(`--${name} must be an integer from 1 to ${max}, not '${text}'`);
  return value;
}
