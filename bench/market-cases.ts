import type postgres from 'postgres'
import {
  type CandleInput,
  type Connection,
  getCandles,
  getLatestFundingRate,
  getLatestPrice,
  listCandleSeries,
  recordCandles,
  recordFundingRates,
} from 'tradeblotter'
import type { Bench, MeasuredBatch } from './cases.ts'
import { copyCandles } from './market-floor.ts'
import { compare, type Measured, summarise, timed, watchMemory } from './measure.ts'

const EXCHANGE = 'bench'
const MINUTE_MS = 60_000
const START = Date.UTC(2024, 0, 1)

/** A walk of prices: the same each time. */
function* walk(symbol: string, count: number): Generator<CandleInput> {
  let cents = 4_200_000
  for (let n = 0; n < count; n++) {
    const open = cents
    cents = Math.max(100, cents + ((n * 7_919) % 401) - 200)
    yield {
      exchange: EXCHANGE,
      symbol,
      timeframe: '1m',
      openTime: new Date(START + n * MINUTE_MS),
      open: priceOf(open),
      high: priceOf(Math.max(open, cents) + 35),
      low: priceOf(Math.min(open, cents) - 35),
      close: priceOf(cents),
      volume: `${n % 90}.${1_000 + (n % 977)}`,
    }
  }
}

function priceOf(cents: number): string {
  const fraction = cents % 100
  return `${(cents - fraction) / 100}.${fraction < 10 ? '0' : ''}${fraction}`
}

const MILLION = 1_000_000
const BATCHES = 3

/** A million candles of one series, new and again, several times; a time is that of one candle. */
export async function benchRecordCandles({ db, sql, run }: Bench): Promise<MeasuredBatch[]> {
  const times = {
    new: { floor: [] as number[], ours: [] as number[] },
    again: { floor: [] as number[], ours: [] as number[] },
  }
  let growth = 0
  for (let batch = 0; batch < BATCHES; batch++) {
    for (const pass of ['new', 'again'] as const) {
      const turns = [
        async () => {
          const work = () => copyCandles(sql, EXCHANGE, `floor-${batch}-${run}`, walk('', MILLION))
          times[pass].floor.push((await timed(work)) / MILLION)
        },
        async () => {
          const memory = watchMemory()
          const work = () => recordCandles(db, { candles: walk(`ours-${batch}-${run}`, MILLION) })
          times[pass].ours.push((await timed(work)) / MILLION)
          growth = Math.max(growth, memory.stop())
        },
      ]
      if (batch % 2 === 1) turns.reverse()
      for (const turn of turns) await turn()
    }
  }
  return (['new', 'again'] as const).map((pass) => ({
    ...summarise(`recordCandles, each of 1,000,000 ${pass}`, times[pass].floor, times[pass].ours),
    growthMiB: growth,
  }))
}

const READS = { warmUp: 3_000, rounds: 5_000 }
const LAST = 500

/** The reads of a running bot, of one symbol among all. */
export async function benchMarketReads({ db, sql }: Bench, stored: string): Promise<Measured[]> {
  const symbol = symbolOf(7)
  const name = { exchange: EXCHANGE, symbol, timeframe: '1m' } as const
  await recordFundingRates(db, {
    rates: Array.from({ length: 1_000 }, (_, n) => ({
      exchange: EXCHANGE,
      symbol,
      publishedAt: new Date(START + n * 8 * 3_600_000),
      intervalHours: 8,
      rate: `0.000${n % 10}1`,
    })),
  })
  return [
    await compare(`getLatestPrice, ${stored}`, {
      ...READS,
      floor: () => sql`
        select exchange, symbol, timeframe, last_close, last_price_at, last_open_time, last_is_complete from market.series
        where exchange = ${EXCHANGE} and symbol = ${symbol} and last_price_at is not null
        order by last_price_at desc limit 1`,
      ours: () => getLatestPrice(db, { exchange: EXCHANGE, symbol }),
    }),
    await compare(`getLatestFundingRate, ${stored}`, {
      ...READS,
      floor: () => sql`
        select * from market.funding_rates where exchange = ${EXCHANGE} and symbol = ${symbol}
        order by funding_time desc limit 1`,
      ours: () => getLatestFundingRate(db, { exchange: EXCHANGE, symbol }),
    }),
    await compare(`getCandles (${LAST}), ${stored}`, {
      warmUp: 1_000,
      rounds: 2_000,
      floor: () => sql`
        select * from (
          select open_time, open, high, low, close, volume, complete, revised, quote_volume, taker_buy_volume,
            taker_buy_quote_volume, trade_count, source
          from market.candles where series_id = (select id from market.series
            where exchange = ${EXCHANGE} and symbol = ${symbol} and timeframe = ${name.timeframe})
          order by open_time desc limit ${LAST}) newest order by open_time`,
      ours: () => getCandles(db, { ...name, last: LAST }),
    }),
  ]
}

/** All series, page by page, in milliseconds. */
export async function benchListSeries(
  db: Connection,
): Promise<{ readonly series: number; readonly p50Ms: number }> {
  const all = async () => {
    let count = 0
    for (let after: Awaited<ReturnType<typeof listCandleSeries>>[number] | undefined; ; ) {
      const page = await listCandleSeries(db, { limit: 1_000, after })
      count += page.length
      after = page.at(-1)
      if (page.length < 1_000) return count
    }
  }
  const times: number[] = []
  for (let round = 0; round < 30; round++) times.push(await timed(all))
  const sorted = times.slice(10).sort((a, b) => a - b)
  return { series: await all(), p50Ms: Math.round((sorted[10] ?? 0) / 100) / 10 }
}

const CANDLES_PER_SERIES = 10_000

function symbolOf(n: number): string {
  return `COIN${n}/USD`
}

/** Stores so many candles of so many series by SQL, and says what each takes on disk, with its index. */
export async function fillMarket(
  sql: postgres.Sql,
  seriesCount: number,
  note: (text: string) => void,
): Promise<number> {
  for (let n = 0; n < seriesCount; n++) {
    const symbol = symbolOf(n)
    const [made] = await sql`
      insert into market.series (exchange, symbol, timeframe) values (${EXCHANGE}, ${symbol}, '1m')
      on conflict (exchange, symbol, timeframe) do nothing returning id`
    if (!made) continue
    await sql`
      insert into market.candles (series_id, open_time, complete, open, high, low, close, volume)
      select ${made.id}, ${new Date(START)}::timestamptz + n * interval '1 minute', true, 42000.10 + n % 97, 42005.55 + n % 97,
        41990.05 + n % 97, 42001.35 + n % 97, 12.3456 + n % 31
      from generate_series(0, ${CANDLES_PER_SERIES - 1}::integer) n`
    await sql`
      update market.series set candle_count = ${CANDLES_PER_SERIES}, last_close = 42001.35, last_is_complete = true,
        first_open_time = ${new Date(START)}, last_open_time = ${new Date(START + (CANDLES_PER_SERIES - 1) * MINUTE_MS)}
      where id = ${made.id}`
    if ((n + 1) % 200 === 0) note(`${(n + 1) * CANDLES_PER_SERIES} candles stored`)
  }
  await sql`vacuum analyze market.candles`
  await sql`vacuum analyze market.series`
  const [size] = await sql`
    select sum(pg_total_relation_size(inhrelid))::float8 / (select count(*) from market.candles) as bytes
    from pg_inherits where inhparent = 'market.candles'::regclass`
  return Math.round(size?.bytes ?? 0)
}
