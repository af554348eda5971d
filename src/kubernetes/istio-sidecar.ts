import type { KubernetesContainer, KubernetesPod } from './kubernetes-pod';

/**
 * Whether a pod has a sidecar of Istio that iptables would redirect to, by the rules of Istio's own CNI plug-in:
 *
 * - It carries the annotation `sidecar.istio.io/status`, which the injector writes, and a container `istio-proxy`.
 *   Since Kubernetes 1.28 that may be an init container with `restartPolicy: Always` (a native sidecar).
 * - The label or annotation `sidecar.istio.io/inject` does not say no; the label counts more.
 * - The proxy is a sidecar, not a gateway (`args: [proxy, router]`), and is not switched off (`DISABLE_ENVOY`).
 * - Its interception mode is REDIRECT. With TPROXY the application sees other source addresses than with this library,
 *   and NONE wants none of it.
 *
 * @param pod - as the API server has it
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
