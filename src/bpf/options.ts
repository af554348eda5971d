/** Refuses options that do not exist: an option with a typo would be ignored silently. */
export function checkOptions(options: object, known: readonly string[], what: string): void {
  if (typeof options !== 'object' || options === null) throw new TypeError(`${what}: options must be an object`);
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) throw new TypeError(`${what}: unknown option "${key}"; known are ${known.join(', ')}`);
  }
}

/** Refuses what is not an integer in a range. */
export function checkInteger(value: unknown, min: number, max: number, what: string): number {
  if (typeof value !== 'number') throw new TypeError(`${what}: a number is needed, got ${typeof value}`);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${what}: an integer from ${min} to ${max} is needed, got ${value}`);
  }
  return value;
}
