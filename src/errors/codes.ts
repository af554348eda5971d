/** What the kernel, libbpf or the machine refused. */
export type BpfErrorCode =
  | 'ERR_BPF_ALREADY_ATTACHED'
  | 'ERR_BPF_FOREIGN_PIN'
  | 'ERR_BPF_ITERATION_ABORTED'
  | 'ERR_BPF_LIBRARY_LOAD'
  | 'ERR_BPF_MAP_FULL'
  | 'ERR_BPF_MAP_INCOMPATIBLE'
  | 'ERR_BPF_NOT_A_BPFFS'
  | 'ERR_BPF_NOT_A_CGROUP'
  | 'ERR_BPF_NOT_SUPPORTED'
  | 'ERR_BPF_OBJECT_FILE'
  | 'ERR_BPF_PERMISSION'
  | 'ERR_BPF_RING_IN_USE'
  | 'ERR_BPF_SYSTEM_CALL'
  | 'ERR_BPF_VERIFIER';

/** What this library refused, before or without the kernel. */
export type LibraryErrorCode =
  | 'ERR_BPF_CLOSED'
  | 'ERR_BPF_INVALID_ADDRESS'
  | 'ERR_BPF_KERNEL_ADVISORY'
  | 'ERR_BPF_NOT_PINNED'
  | 'ERR_BPF_PINS_IN_USE'
  | 'ERR_BPF_PIN_CONFLICT'
  | 'ERR_BPF_POD_RULES'
  | 'ERR_BPF_UNREAD_NOT_COUNTED';

/** What went wrong with an API server. */
export type KubernetesErrorCode =
  /** There is no way to it: no server or no node is named, or a file with credentials cannot be read. */
  | 'ERR_KUBERNETES_CONFIG'
  /** It does not accept the token or the certificate (401). */
  | 'ERR_KUBERNETES_UNAUTHORIZED'
  /** The account may not list and watch pods (403). */
  | 'ERR_KUBERNETES_FORBIDDEN'
  /** It is too busy (429, 503), and said when to come back, or did not. */
  | 'ERR_KUBERNETES_BUSY'
  /** It does not answer, or the connection was cut. */
  | 'ERR_KUBERNETES_UNAVAILABLE'
  /** What it sends is not what an API server sends. */
  | 'ERR_KUBERNETES_PROTOCOL'
  /** It answered with another status. */
  | 'ERR_KUBERNETES_STATUS';

/** What went wrong with pods, in `merbridge/kubernetes`. */
export type PodErrorCode = 'ERR_POD_FILE' | 'ERR_POD_REFUSED' | 'ERR_PODS_LEFT_OUT';

/** All codes. They never change within a major version, so a `switch` over them can be exhaustive. */
export type MerbridgeErrorCode = BpfErrorCode | LibraryErrorCode | KubernetesErrorCode | PodErrorCode;
