/** Checks of options, for every room that takes some. None of it is public. */
/** @internal */
export { assertInteger, assertNumber, isRecord, refuseUnknown } from './option-checks';
