/**
 * Makes `instanceof` hold across copies of this library.
 *
 * Two copies may be loaded in one process, for instance when an application and a plug-in of it bring their own. Their
 * classes differ, so a plain `instanceof` fails between them. A registered symbol on the prototype is shared by both.
 */

type ErrorClass = abstract new (...args: never[]) => object;

/**
 * Brands a class: from now on `x instanceof Class` asks for the brand, not for the prototype.
 *
 * A subclass that is not branded itself keeps the usual meaning of `instanceof`.
 *
 * @param Class - the class to brand
 * @param name - part of the brand; never changes once published
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
