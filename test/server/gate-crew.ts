import { sql } from 'drizzle-orm'
import { expect } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { registerBot } from '../../src/fleet/bots.ts'
import { setInstrument } from '../../src/market/instruments.ts'
import { setRiskSettings } from '../../src/risk/settings.ts'
import type { RiskLimitsInput } from '../../src/risk/settings-input.ts'
import { recordFill } from '../../src/trading/record-fills.ts'
import { createDatabase, type ServerDatabase } from '../database.ts'
import { Child } from './children.ts'
import type { Driver, HammerTask, PlaceTask, Tally, Task } from './gate-writer.ts'
import { EXCHANGE, newBot } from './ledger-feed.ts'

const DRIVERS: readonly Driver[] = ['postgres', 'pg', 'postgres', 'pg', 'postgres', 'pg', 'postgres', 'pg']

/** Eight processes that race on one database after the other, each with its driver. */
export class Crew {
  readonly #children: Child<Task, Tally>[] = []
  readonly #ends: (() => Promise<void>)[] = []
  #work: Promise<unknown> = Promise.resolve()

  /** Makes a database of its own, to which the processes are connected. The fleet may trade, within limits. */
  async gather(limits: RiskLimitsInput = {}): Promise<ServerDatabase> {
    const shared = await createDatabase({ poolSize: 8 })
    await setRiskSettings(shared.db, { tradingEnabled: true, ...limits, changedBy: 'test', reason: 'test' })
    const tasks = DRIVERS.map((driver): Task => ({ do: 'connect', url: shared.url, driver }))
    if (this.#children.length > 0) await this.#all((place) => tasks[place])
    else {
      for (const task of tasks)
        this.#children.push(new Child('gate-writer.ts', task, (end) => this.#ends.push(end)))
      for (const child of this.#children) expect((await child.next()).errors).toEqual([])
    }
    return shared
  }

  /** Lets all processes place their orders at the same moment. */
  async place(
    ordersOf: (process: number) => PlaceTask['orders'],
    options: Partial<Pick<PlaceTask, 'fills' | 'closes' | 'seed'>> = {},
  ): Promise<Total> {
    const startAt = Date.now() + 40
    const tallies = await this.#all((place) => ({
      ...{ do: 'place', startAt, fills: 0, closes: 0, seed: place, ...options },
      orders: ordersOf(place),
    }))
    return totalOf(tallies)
  }

  /** Lets the processes work until `stop` is called on what this returns. */
  hammer(taskOf: (process: number) => Omit<HammerTask, 'do'>): { stop(): Promise<Total> } {
    const over = this.#all((place) => ({ do: 'hammer', ...taskOf(place) }))
    this.#work = over.catch(() => undefined)
    return {
      stop: async () => {
        this.#stop()
        return totalOf(await over)
      },
    }
  }

  #stop(): void {
    for (const child of this.#children) child.send({ do: 'stop' })
  }

  /** Also where a test failed while they worked. */
  async leave(): Promise<void> {
    this.#stop()
    await this.#work
    await this.#all(() => ({ do: 'disconnect' }))
  }

  async end(): Promise<void> {
    for (const end of this.#ends) await end()
  }

  async #all(taskOf: (process: number) => Task | undefined): Promise<Tally[]> {
    for (const [place, child] of this.#children.entries()) child.send(taskOf(place))
    const tallies = await Promise.all(this.#children.map((child) => child.next()))
    expect(tallies.flatMap((tally) => tally.errors)).toEqual([])
    return tallies
  }
}

export interface Total {
  readonly placed: readonly string[]
  readonly repeats: readonly string[]
  readonly exits: number
  readonly registered: number
  readonly denied: Readonly<Record<string, number>>
  readonly failed: Readonly<Record<string, number>>
}

export function totalOf(tallies: readonly Total[]): Total {
  const sum = (key: 'exits' | 'registered') => tallies.reduce((total, tally) => total + tally[key], 0)
  return {
    placed: tallies.flatMap((tally) => tally.placed),
    repeats: tallies.flatMap((tally) => tally.repeats),
    exits: sum('exits'),
    registered: sum('registered'),
    denied: merged(tallies.map((tally) => tally.denied)),
    failed: merged(tallies.map((tally) => tally.failed)),
  }
}

function merged(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {}
  for (const count of counts) {
    for (const [key, times] of Object.entries(count)) total[key] = (total[key] ?? 0) + times
  }
  return total
}

/** Registers a bot, with limits of its own if some are given. */
export async function makeBot(db: Database, botId: string, limits?: RiskLimitsInput): Promise<void> {
  await registerBot(db, newBot(botId))
  if (limits) await setRiskSettings(db, { botId, ...limits, changedBy: 'test', reason: 'test' })
}

export async function makeSymbols(db: Database, symbols: readonly string[]): Promise<void> {
  for (const symbol of symbols) {
    const baseCurrency = symbol.split('/')[0] ?? symbol
    await setInstrument(db, {
      exchange: EXCHANGE,
      symbol,
      kind: 'linear',
      baseCurrency,
      quoteCurrency: 'USDT',
    })
  }
}

export async function buy(db: Database, botId: string, symbol: string, quantity: string): Promise<void> {
  await recordFill(db, {
    ...{ botId, exchange: EXCHANGE, symbol, side: 'buy', price: '100', quantity, executedAt: new Date() },
    exchangeTradeId: `first-${symbol}`,
  })
}

/** The first column of the first row, which counts something. */
export async function count(db: Database, query: ReturnType<typeof sql>): Promise<number> {
  const [row] = (await db.execute(query)) as unknown as Record<string, unknown>[]
  return Number(Object.values(row ?? {})[0])
}

/** Orders that are no exits, of all bots. */
export const ENTRIES = sql`select count(*) from trading.orders where not reduce_only`
export const EXITS = sql`select count(*) from trading.orders where reduce_only`

export function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
