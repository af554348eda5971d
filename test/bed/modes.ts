import type { Acceleration, MeshAccelerator as Accelerator, MeshAcceleratorOptions } from 'merbridge';
import type { Bed } from './bed';
import { applyIstioRules } from './istio-rules';

/** How the pods of a bed are brought into their mesh: by Istio's own rules, or by the library in one of its scopes. */
export type Mode = 'iptables' | Acceleration;

export const MODES: readonly Mode[] = ['iptables', 'off', 'proxies', 'full'];
export const SCOPES: readonly Acceleration[] = ['off', 'proxies', 'full'];

/** The same, and the library in each scope beside Istio's rules: what is claimed equal is equal in all of these. */
export type Way = Mode | `iptables+${Acceleration}`;

export const WAYS: readonly Way[] = [...MODES, ...SCOPES.map(scope => `iptables+${scope}` as const)];

/** What {@link enterMesh} hands to the accelerator beside what it decides itself. */
export type EnterOptions = Omit<MeshAcceleratorOptions, 'profile' | 'cgroup' | 'acceleration' | 'pods'>;

/** Enters all pods that the bed has. Under iptables there is no accelerator to return. */
export function enterMesh(bed: Bed, mode: 'iptables', options?: EnterOptions): Promise<undefined>;
export function enterMesh(bed: Bed, mode: Acceleration, options?: EnterOptions): Promise<Accelerator>;
export function enterMesh(bed: Bed, way: Way, options?: EnterOptions): Promise<Accelerator | undefined>;
export async function enterMesh(bed: Bed, way: Way, options: EnterOptions = {}): Promise<Accelerator | undefined> {
  if (way.startsWith('iptables')) for (const pod of bed.pods) applyIstioRules(pod);
  const scope = SCOPES.find(each => way.endsWith(each));
  if (scope === undefined) return undefined;
  const { MeshAccelerator } = await import('merbridge'); // here, so that the bed alone needs no built library
  return MeshAccelerator.start({
    ...options,
    profile: 'istio',
    cgroup: bed.cgroupPath,
    acceleration: scope,
    pods: bed.pods.map(pod => pod.address),
  });
}
