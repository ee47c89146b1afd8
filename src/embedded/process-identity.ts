import { randomUUID } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { z } from 'zod'

/** One holder of a lock file. What a platform does not tell is null. */
export const holderSchema = z.object({
  /** Unlike any other holder's, also of the same process. */
  token: z.uuid(),
  pid: z.number().int().positive(),
  /** When the process started, in clock ticks since boot: a process id is used again. */
  startTicks: z.string().nullable(),
  host: z.string(),
  /** Of the running kernel: another after each boot. */
  bootId: z.string().nullable(),
  /** Process ids mean something only inside one namespace, such as that of a container. */
  pidNamespace: z.string().nullable(),
  since: z.iso.datetime(),
})
export type Holder = z.output<typeof holderSchema>

/** This process as the holder of a lock. */
export function identify(): Holder {
  return {
    token: randomUUID(),
    pid: process.pid,
    startTicks: statOf(process.pid)?.startTicks ?? null,
    host: hostname(),
    bootId: orNull(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    pidNamespace: orNull(() => readlinkSync('/proc/self/ns/pid')),
    since: new Date().toISOString(),
  }
}

export type Fate = 'alive' | 'gone' | 'unknown'

/** Whether the process of `holder` still runs, as far as `self` can see. */
export function fateOf(holder: Holder, self: Holder): Fate {
  if (holder.bootId !== self.bootId || holder.bootId === null) {
    if (holder.host !== self.host) return 'unknown'
    if (holder.bootId !== self.bootId) return 'gone'
  }
  if (holder.pidNamespace !== self.pidNamespace) return 'unknown'
  if (!exists(holder.pid)) return 'gone'
  const stat = statOf(holder.pid)
  // Ended, but its parent has not asked how.
  if (stat?.state === 'Z' || stat?.state === 'X') return 'gone'
  const isAnother = stat && holder.startTicks !== null && stat.startTicks !== holder.startTicks
  return isAnother ? 'gone' : 'alive'
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it is there and belongs to somebody else.
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH')
  }
}

/** Linux only. */
function statOf(pid: number): { state: string; startTicks: string } | undefined {
  const stat = orNull(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  // The second field is the program's name in parentheses, and may hold any character.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, startTicks] = [fields?.[0], fields?.[19]]
  return state !== undefined && startTicks !== undefined ? { state, startTicks } : undefined
}

function orNull(read: () => string): string | null {
  try {
    return read()
  } catch {
    return null
  }
}
