/**
 * Refuses unknown options. Otherwise a misspelt option would be ignored silently.
 *
 * @param options - options that the caller passed
 * @param known - names of the existing options
 * @param what - name of the method, for error messages
 * @throws TypeError if `options` is not an object or has an unknown property
 */
export function checkOptions(options: object, known: readonly string[], what: string): void {
  if (typeof options !== 'object' || options === null) throw new TypeError(`${what}: options must be an object`);
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) throw new TypeError(`${what}: unknown option "${key}"; known are ${known.join(', ')}`);
  }
}

/**
 * Refuses a value that is not an integer in a range.
 *
 * @param value - value to check
 * @param min - smallest allowed value
 * @param max - largest allowed value
 * @param what - name of the value, for error messages
 * @returns the value
 * @throws TypeError if the value is not a number
 * @throws RangeError if it is not an integer from `min` to `max`
 */
export function checkInteger(value: unknown, min: number, max: number, what: string): number {
  if (typeof value !== 'number') throw new TypeError(`${what}: a number is needed, got ${typeof value}`);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${what}: an integer from ${min} to ${max} is needed, got ${value}`);
  }
  return value;
}
