/** How long a statement's answer is waited for after its time was up, in milliseconds. */
const GRACE_MS = 5_000

export interface Deadline {
  /** How long the statement may run; 0 for as long as it takes. */
  readonly statementTimeoutMs: number
  /** Asks the server to stop the statement, where no server keeps the time. */
  readonly cancel: (() => void) | undefined
  /** Gives up the connection. */
  readonly lose: () => void
}

/**
 * Keeps the time of one statement from this end; returns what ends that.
 *
 * A server that keeps its own time may be gone without a word, behind a cable that was pulled or a firewall that forgot:
 * then the connection is given up some seconds after the answer was due. Behind a pooler the server knows no time limit, and
 * is asked to stop the statement first.
 */
export function watch({ statementTimeoutMs, cancel, lose }: Deadline): () => void {
  if (statementTimeoutMs === 0) return () => undefined
  let timer = setTimeout(
    () => {
      if (!cancel) return lose()
      cancel()
      timer = setTimeout(lose, GRACE_MS)
    },
    cancel ? statementTimeoutMs : statementTimeoutMs + GRACE_MS,
  )
  return () => clearTimeout(timer)
}
