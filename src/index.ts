/**
 * Service mesh acceleration with eBPF. {@link MeshAccelerator} is the way in; the BPF classes below it are public too.
 *
 * @packageDocumentation
 */
export * from './errors';
export * from './codec';
export * from './bpf';
export * from './mesh';
