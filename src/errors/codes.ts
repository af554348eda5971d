/** Codes of the errors that report a refusal by the kernel, libbpf or the machine. */
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

/** Codes of the errors that this library reports by itself, without or before a system call. */
export type LibraryErrorCode =
  | 'ERR_BPF_CLOSED'
  | 'ERR_BPF_INVALID_ADDRESS'
  | 'ERR_BPF_KERNEL_ADVISORY'
  | 'ERR_BPF_NOT_PINNED'
  | 'ERR_BPF_PINS_IN_USE'
  | 'ERR_BPF_PIN_CONFLICT'
  | 'ERR_BPF_POD_RULES'
  | 'ERR_BPF_UNREAD_NOT_COUNTED';

/** Codes of the errors that report a failed exchange with an API server. */
export type KubernetesErrorCode =
  /** The API server cannot be addressed: no server or no node is configured, or a credentials file cannot be read. */
  | 'ERR_KUBERNETES_CONFIG'
  /** The API server does not accept the token or the certificate (401). */
  | 'ERR_KUBERNETES_UNAUTHORIZED'
  /** The account is not allowed to list and watch pods (403). */
  | 'ERR_KUBERNETES_FORBIDDEN'
  /** The API server is overloaded (429, 503). It may or may not have said when to retry. */
  | 'ERR_KUBERNETES_BUSY'
  /** The API server does not answer, or the connection was lost. */
  | 'ERR_KUBERNETES_UNAVAILABLE'
  /** The response is not what an API server sends. */
  | 'ERR_KUBERNETES_PROTOCOL'
  /** The API server answered with another HTTP status. */
  | 'ERR_KUBERNETES_STATUS';

/** Codes of the errors in `merbridge/kubernetes` that report a problem with pods. */
export type PodErrorCode = 'ERR_POD_FILE' | 'ERR_POD_REFUSED' | 'ERR_PODS_LEFT_OUT';

/** All error codes. They do not change within a major version, so a `switch` over them can be exhaustive. */
export type MerbridgeErrorCode = BpfErrorCode | LibraryErrorCode | KubernetesErrorCode | PodErrorCode;
