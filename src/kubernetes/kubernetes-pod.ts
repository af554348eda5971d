/** What is read of a container. */
export interface KubernetesContainer {
  /** Its name. */
  readonly name: string;
  /** `'Always'` for an init container that is a native sidecar. */
  readonly restartPolicy?: string;
  /** Arguments of its command. */
  readonly args?: readonly string[];
  /** Its environment. */
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
}

/** What is read of a pod: a part of `V1Pod` of `@kubernetes/client-node`. */
export interface KubernetesPod {
  /** Who it is. */
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly creationTimestamp?: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  /** What it shall be. */
  readonly spec?: {
    readonly nodeName?: string;
    readonly hostNetwork?: boolean;
    readonly containers?: readonly KubernetesContainer[];
    readonly initContainers?: readonly KubernetesContainer[];
  };
  /** What it is. */
  readonly status?: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly podIPs?: readonly { readonly ip: string }[];
    readonly startTime?: string;
  };
}

/** Whether something from the server has what every pod has. @internal */
export function isPod(value: unknown): value is KubernetesPod {
  const { metadata } = (typeof value === 'object' && value !== null ? value : {}) as { metadata?: Record<string, unknown> };
  return typeof metadata === 'object' && metadata !== null
    && (['name', 'namespace', 'uid', 'resourceVersion'] as const).every((key) => typeof metadata[key] === 'string');
}
