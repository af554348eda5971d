/** Binds a table of signatures to an object of functions. Each function is bound when it is first used. */
import { prepare, type ArgKind, type ArgValue, type ReturnKind, type ReturnValue } from './prepared';

/** One row of a table: the signature of a C function. */
export interface FunctionRow {
  readonly returns: ReturnKind;
  readonly args: readonly ArgKind[];
  /** First release of the library with the function. */
  readonly since?: string;
}

type ArgValues<A extends readonly ArgKind[]> = { -readonly [I in keyof A]: ArgValue<A[I]> };

/** The functions of a table. Their TypeScript types are derived from its rows. */
export type Bound<T extends Record<string, FunctionRow>> = {
  readonly [N in keyof T]: (...args: ArgValues<T[N]['args']>) => ReturnValue<T[N]['returns']>;
};

/**
 * Binds a table.
 *
 * The functions are bound one by one, so that a function that an older library lacks does not affect the others.
 *
 * @param table - functions and their signatures
 * @param find - returns the address of a function, or throws the error for its caller
 * @returns the functions
 */
export function bindLazily<const T extends Record<string, FunctionRow>>(
  table: T,
  find: (name: keyof T & string, row: FunctionRow) => Buffer,
): Bound<T> {
  const bound = {};
  for (const [name, row] of Object.entries(table) as [keyof T & string, FunctionRow][]) {
    Object.defineProperty(bound, name, {
      configurable: true,
      enumerable: true,
      get() {
        const value = prepare(find(name, row), row.returns, row.args);
        Object.defineProperty(bound, name, { value, enumerable: true });
        return value;
      },
    });
  }
  return bound as Bound<T>;
}
