/**
 * What other rooms of this library need from this one, but its users do not. No entry point of the package exports it.
 */
export { DirectoryLock } from './directory-lock';
export { requireFds } from './fd';
export { libbpfVersion, missingCapabilities } from './host';
/** @internal */
export { attachesByLink, linkIds } from './host';
/** @internal */
export { requireBpf, requireBtf, requireTypes } from './kernel-features';
export { copyEntries } from './maps/copy';
export { EntryCounter } from './maps/entry-counter';
export { RunStatisticsSwitch } from './run-statistics-switch';
export { TcpPair, tcpPair } from './tcp-pair';
