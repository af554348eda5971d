/** A container of a pod, as far as this library reads it. */
export interface KubernetesContainer {
  /** Name of the container. */
  readonly name: string;
  /** `'Always'` for an init container that is a native sidecar. */
  readonly restartPolicy?: string | undefined;
  /** Arguments of its command. */
  readonly args?: readonly string[] | undefined;
  /** Its environment variables. */
  readonly env?: readonly { readonly name: string; readonly value?: string | undefined }[] | undefined;
}

/** A pod, as far as this library reads it: a part of `V1Pod` of `@kubernetes/client-node`. */
export interface KubernetesPod {
  /** Identity, labels and annotations. */
  readonly metadata: {
    /** Name of the pod. */
    readonly name: string;
    /** Namespace of the pod. */
    readonly namespace: string;
    /** UID of the pod. */
    readonly uid: string;
    /** Version of the object in the API server. */
    readonly resourceVersion: string;
    /** Time of creation, RFC 3339. */
    readonly creationTimestamp?: string | undefined;
    /** Time of deletion, RFC 3339. Absent if it is not being deleted. */
    readonly deletionTimestamp?: string | undefined;
    /** Labels of the pod. */
    readonly labels?: Readonly<Record<string, string>> | undefined;
    /** Annotations of the pod. */
    readonly annotations?: Readonly<Record<string, string>> | undefined;
  };
  /** Desired state. */
  readonly spec?:
    | {
        /** Node that it is scheduled to. */
        readonly nodeName?: string | undefined;
        /** Whether it uses the network of the host. */
        readonly hostNetwork?: boolean | undefined;
        /** Containers. */
        readonly containers?: readonly KubernetesContainer[] | undefined;
        /** Init containers, including native sidecars. */
        readonly initContainers?: readonly KubernetesContainer[] | undefined;
      }
    | undefined;
  /** Observed state. */
  readonly status?:
    | {
        /** Phase, such as `'Running'`. */
        readonly phase?: string | undefined;
        /** First IP address. */
        readonly podIP?: string | undefined;
        /** All IP addresses. */
        readonly podIPs?: readonly { readonly ip: string }[] | undefined;
        /** Time at which the kubelet accepted it, RFC 3339. */
        readonly startTime?: string | undefined;
      }
    | undefined;
}

/**
 * Whether an object of the server has the properties that every pod has.
 *
 * @internal
 */
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
