/** What is read of a container. */
export interface KubernetesContainer {
  /** Its name. */
  readonly name: string;
  /** `'Always'` for an init container that is a native sidecar. */
  readonly restartPolicy?: string | undefined;
  /** Arguments of its command. */
  readonly args?: readonly string[] | undefined;
  /** Its environment. */
  readonly env?: readonly { readonly name: string; readonly value?: string | undefined }[] | undefined;
}

/** What is read of a pod: a part of `V1Pod` of `@kubernetes/client-node`. */
export interface KubernetesPod {
  /** Who it is. */
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly creationTimestamp?: string | undefined;
    readonly deletionTimestamp?: string | undefined;
    readonly labels?: Readonly<Record<string, string>> | undefined;
    readonly annotations?: Readonly<Record<string, string>> | undefined;
  };
  /** What it shall be. */
  readonly spec?:
    | {
        readonly nodeName?: string | undefined;
        readonly hostNetwork?: boolean | undefined;
        readonly containers?: readonly KubernetesContainer[] | undefined;
        readonly initContainers?: readonly KubernetesContainer[] | undefined;
      }
    | undefined;
  /** What it is. */
  readonly status?:
    | {
        readonly phase?: string | undefined;
        readonly podIP?: string | undefined;
        readonly podIPs?: readonly { readonly ip: string }[] | undefined;
        readonly startTime?: string | undefined;
      }
    | undefined;
}

/** Whether something from the server has what every pod has. @internal */
export function isPod(value: unknown): value is KubernetesPod {
  const { metadata } = (typeof value === 'object' && value !== null ? value : {}) as {
    metadata?: Record<string, unknown>;
  };
  return (
    typeof metadata === 'object' &&
    metadata !== null &&
    (['name', 'namespace', 'uid', 'resourceVersion'] as const).every(key => typeof metadata[key] === 'string')
  );
}
