import { NotSupportedError, type VerifierError } from '../../errors';

/**
 * Lines of the verifier's log that mean a missing feature, as seen on Linux 5.10 and 6.18. A kernel that has the
 * feature does not write them about the programs of this library.
 */
const REFUSALS: readonly (readonly [line: RegExp, feature: (match: RegExpExecArray) => string, since?: string])[] = [
  [
    /^(?:\d+: .*)?(?:unknown func|invalid func|program of this type cannot use helper) (\w+)#(\d+)/m,
    ([, name, id]) => (name === 'unknown' ? `the BPF helper function ${id}` : `the BPF helper function ${name}()`),
  ],
  [/^BPF_(?:STX|ATOMIC) uses reserved fields/m, () => 'a BPF atomic operation that returns the old value', '5.12'],
  [/^Arg#\d+ type PTR in \w+\(\) is not supported/m, () => 'a BPF function that takes a pointer to memory', '5.13'],
];

/**
 * Tells if the verifier refused a program because the kernel lacks something, and what that is.
 *
 * @internal
 * @param error - why a program of this library was refused
 * @returns an error that names the feature, caused by `error`; `undefined` if the log names none
 */
export function whatKernelLacks(error: VerifierError): NotSupportedError | undefined {
  for (const [line, feature, minimumKernel] of REFUSALS) {
    const match = line.exec(error.log);
    if (match === null) continue;
    const { errno, operation, subject } = error;
    return new NotSupportedError(feature(match), {
      errno,
      operation,
      subject,
      minimumKernel,
      cause: error,
      hint: 'boot a newer kernel: the programs were run on Linux 6.1 and later',
    });
  }
  return undefined;
}
