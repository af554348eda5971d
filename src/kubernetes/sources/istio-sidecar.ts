import type { KubernetesContainer, KubernetesPod } from './kubernetes-pod';

/**
 * Tests whether a pod has an Istio sidecar that iptables would redirect to. It follows the rules of Istio's CNI
 * plug-in:
 *
 * - The pod has the annotation `sidecar.istio.io/status`, which the injector writes, and a container `istio-proxy`.
 * Since Kubernetes 1.28 this may be an init container with `restartPolicy: Always` (a native sidecar).
 * - Neither label nor annotation `sidecar.istio.io/inject` disables injection. The label takes precedence.
 * - The proxy is a sidecar, not a gateway (`args: [proxy, router]`), and is not disabled (`DISABLE_ENVOY`).
 * - Its interception mode is REDIRECT. With TPROXY the application would see other source addresses than with this
 * library, and NONE disables interception.
 *
 * @param pod - the pod as the API server returns it
 * @returns whether to enrol it
 *
 * @example
 * ```ts
 * import { istioSidecar, KubernetesPods } from 'merbridge/kubernetes';
 *
 * // Istio's rules, and an opt-out by a label.
 * export const pods = new KubernetesPods({
 *   sidecar: pod => istioSidecar(pod) && pod.metadata.labels?.['merbridge.io/skip'] !== 'true',
 * });
 * ```
 */
export function istioSidecar(pod: KubernetesPod): boolean {
  const { annotations = {}, labels = {} } = pod.metadata;
  if (annotations['sidecar.istio.io/status'] === undefined) return false;
  if (/^(0|f|false)$/i.test(labels['sidecar.istio.io/inject'] ?? annotations['sidecar.istio.io/inject'] ?? ''))
    return false;
  const proxy = proxyContainer(pod);
  if (proxy === undefined) return false;
  const environment = new Map(proxy.env?.map(({ name, value }) => [name, value ?? '']));
  if (/^(1|t|true)$/i.test(environment.get('DISABLE_ENVOY') ?? '')) return false;
  const [, type = 'sidecar'] = proxy.args ?? [];
  const mode =
    annotations['sidecar.istio.io/interceptionMode'] ?? environment.get('ISTIO_META_INTERCEPTION_MODE') ?? 'REDIRECT';
  return type === 'sidecar' && (mode === 'REDIRECT' || mode === '');
}

function proxyContainer({ spec = {} }: KubernetesPod): KubernetesContainer | undefined {
  const native = spec.initContainers?.filter(({ restartPolicy }) => restartPolicy === 'Always') ?? [];
  return [...(spec.containers ?? []), ...native].find(({ name }) => name === 'istio-proxy');
}
