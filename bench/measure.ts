/** One claim, measured: ours against the floor, in the same run and turn by turn. */
export interface Measured {
  readonly case: string
  readonly p50Us: number
  readonly p99Us: number
  readonly floorP50Us: number
  readonly ratio: number
}

export interface Contest {
  readonly warmUp: number
  readonly rounds: number
  readonly floor: (round: number) => Promise<unknown>
  readonly ours: (round: number) => Promise<unknown>
}

/** Runs floor and ours by turns, each first in every other round, so that what the machine does else hits both. */
export async function compare(name: string, contest: Contest): Promise<Measured> {
  const floor: number[] = []
  const ours: number[] = []
  for (let round = 0; round < contest.warmUp + contest.rounds; round++) {
    const turns = [
      async () => floor.push(await timed(() => contest.floor(round))),
      async () => ours.push(await timed(() => contest.ours(round))),
    ]
    if (round % 2 === 1) turns.reverse()
    for (const turn of turns) await turn()
  }
  return summarise(name, floor.slice(contest.warmUp), ours.slice(contest.warmUp))
}

export function summarise(name: string, floorUs: number[], oursUs: number[]): Measured {
  const floorP50Us = quantile(floorUs, 0.5)
  const p50Us = quantile(oursUs, 0.5)
  return {
    case: name,
    p50Us: Math.round(p50Us),
    p99Us: Math.round(quantile(oursUs, 0.99)),
    floorP50Us: Math.round(floorP50Us),
    ratio: Math.round((p50Us / floorP50Us) * 1000) / 1000,
  }
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return (performance.now() - startedAt) * 1000
}

/** Watches resident memory; `stop` returns by how many MiB it was above the beginning at its highest. */
export function watchMemory() {
  const before = process.memoryUsage.rss()
  let highest = before
  const timer = setInterval(() => {
    highest = Math.max(highest, process.memoryUsage.rss())
  }, 50)
  return {
    stop() {
      clearInterval(timer)
      return Math.round((highest - before) / 2 ** 20)
    },
  }
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}
