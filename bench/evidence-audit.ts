import postgres from 'postgres'
import { connect, recordSystemEvent, verifyAuditTrail } from 'tradeblotter'

const BOTS = 8
const TURNS = 7
const TURN_MS = 1_500
const DETAILS = { attempts: 3, price: '0.10', note: { of: 'the exchange' } }

export interface AuditRates {
  /** Rows a second that eight bots write at once: with `recordSystemEvent`, by hand, and by hand into a table of the same columns and indexes without chains. */
  readonly verb: number
  readonly chained: number
  readonly unchained: number
  /** Chained / unchained, both by hand: what the chain costs. */
  readonly ratio: number
  /** The verb / unchained. */
  readonly verbRatio: number
  /** Microseconds that `verifyAuditTrail` took for a row. */
  readonly verifyUs: number
}

/** Eight bots that write as fast as they can, by turns of ours and of the floor. */
export async function benchAudit(url: string, run: string): Promise<AuditRates> {
  await using db = await connect({ url, poolSize: BOTS })
  const sql = postgres(url, { max: BOTS, onnotice: () => undefined })
  try {
    await sql`create schema if not exists bench`
    await sql`drop table if exists bench.events`
    await sql`create table bench.events (like audit.system_events including all)`
    await sql`alter table bench.events drop constraint events_bot_id_sequence_key`
    const event = { kind: 'order_refused', severity: 'warning', message: 'insufficient margin' } as const
    const ours = (botId: string) =>
      recordSystemEvent(db, { ...event, botId, component: 'gateway', symbol: 'BTC/USDT', details: DETAILS })
    const by = (table: string) => (botId: string) =>
      sql`
      insert into ${sql(table)} (bot_id, kind, severity, component, message, symbol, details)
      values (${botId}, ${event.kind}, ${event.severity}, 'gateway', ${event.message}, 'BTC/USDT', ${sql.json(DETAILS)})
      returning *`
    const rates = { verb: [] as number[], chained: [] as number[], unchained: [] as number[] }
    for (let turn = 0; turn <= TURNS; turn++) {
      const verb = await rateOf(ours, run)
      const chained = await rateOf(by('audit.system_events'), run)
      const unchained = await rateOf(by('bench.events'), run)
      // The first turn is warm-up.
      if (turn === 0) continue
      rates.verb.push(verb)
      rates.chained.push(chained)
      rates.unchained.push(unchained)
    }
    const startedAt = performance.now()
    const { rows, isIntact } = await verifyAuditTrail(db)
    if (!isIntact) throw new Error('the chains are not whole')
    const verifyUs = ((performance.now() - startedAt) * 1000) / rows
    const [verb, chained, unchained] = [rates.verb, rates.chained, rates.unchained].map(median) as [
      number,
      number,
      number,
    ]
    return {
      verb: Math.round(verb),
      chained: Math.round(chained),
      unchained: Math.round(unchained),
      ratio: Math.round((chained / unchained) * 100) / 100,
      verbRatio: Math.round((verb / unchained) * 100) / 100,
      verifyUs: Math.round(verifyUs * 10) / 10,
    }
  } finally {
    await sql.end()
  }
}

async function rateOf(write: (botId: string) => PromiseLike<unknown>, run: string): Promise<number> {
  const startedAt = performance.now()
  let written = 0
  await Promise.all(
    Array.from({ length: BOTS }, async (_, bot) => {
      while (performance.now() - startedAt < TURN_MS) {
        await write(`audited-${run}-${bot}`)
        written += 1
      }
    }),
  )
  return written / ((performance.now() - startedAt) / 1000)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
