/** Turns a table of signatures into an object of functions, each bound when it is first used. */
import { prepare, type ArgKind, type ArgValue, type ReturnKind, type ReturnValue } from './prepared';

/** One row of a table: how a C function is called. */
export interface FunctionRow {
  readonly returns: ReturnKind;
  readonly args: readonly ArgKind[];
  /** First release of the library that has the function. */
  readonly since?: string;
}

type ArgValues<A extends readonly ArgKind[]> = { -readonly [I in keyof A]: ArgValue<A[I]> };

/** The functions of a table, with TypeScript types made from its rows. */
export type Bound<T extends Record<string, FunctionRow>> = {
  readonly [N in keyof T]: (...args: ArgValues<T[N]['args']>) => ReturnValue<T[N]['returns']>;
};

/**
 * Binds a table.
 *
 * One by one and not all at once: a function that an older library lacks must not take the others with it.
 *
 * @param table - the functions and their signatures
 * @param find - gives the address of a function, or throws what the caller of the function should see
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
