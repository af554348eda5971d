/**
 * Makes `instanceof` work across copies of this library.
 *
 * One process may load two copies, for instance when an application and one of its plug-ins each bring their own. Their
 * classes are different objects, so a plain `instanceof` fails between them. A registered symbol on the prototype is
 * the same in both.
 */

type ErrorClass = abstract new (...args: never[]) => object;

/**
 * Brands a class: `x instanceof Class` then tests for the brand instead of the prototype.
 *
 * A subclass that is not branded itself keeps the usual meaning of `instanceof`.
 *
 * @param Class - class to brand
 * @param name - part of the brand. It must never change once it was published
 */
export function brand(Class: ErrorClass, name: string): void {
  const mark = Symbol.for(`merbridge.${name}`);
  Object.defineProperty(Class.prototype, mark, { value: true });
  Object.defineProperty(Class, Symbol.hasInstance, {
    value(this: unknown, candidate: unknown): boolean {
      if (this !== Class) {
        return Function.prototype[Symbol.hasInstance].call(this, candidate);
      }
      return typeof candidate === 'object' && candidate !== null && mark in candidate;
    },
  });
}
