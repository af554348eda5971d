type CleanUp = () => void;

const pending = new Set<CleanUp>();
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs `cleanUp` if the process ends before the returned function was called: by a signal, an uncaught error or
 * `process.exit()`. Must be synchronous, nothing else runs at that point.
 */
export function onAbnormalEnd(cleanUp: CleanUp): () => void {
  if (pending.size === 0) {
    process.on('exit', runAll);
    for (const signal of SIGNALS) process.on(signal, onSignal);
  }
  pending.add(cleanUp);
  return () => {
    pending.delete(cleanUp);
    if (pending.size === 0) unlisten();
  };
}

function runAll(): void {
  for (const cleanUp of [...pending]) {
    pending.delete(cleanUp);
    try {
      cleanUp();
    } catch (error) {
      console.error(error);
    }
  }
}

/** Cleans up, then lets the signal do what it would have done; another listener, if there is one, decides instead. */
function onSignal(signal: NodeJS.Signals): void {
  runAll();
  unlisten();
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}

function unlisten(): void {
  process.off('exit', runAll);
  for (const signal of SIGNALS) process.off(signal, onSignal);
}
