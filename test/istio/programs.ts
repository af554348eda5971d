/** Istio's programs: ISTIO_PROGRAMS is the folder that `scripts/istio-programs.sh mesh` prints. */
import { join } from 'node:path';

export function istioProgram(name: 'pilot-agent' | 'pilot-discovery' | 'istioctl' | 'envoy_bootstrap.json'): string {
  const folder = process.env.ISTIO_PROGRAMS;
  if (!folder) throw new Error('ISTIO_PROGRAMS is not set: run this by npm run test:istio');
  return join(folder, name);
}
