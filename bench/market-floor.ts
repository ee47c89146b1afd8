import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type postgres from 'postgres'
import type { CandleInput } from 'tradeblotter'

const LINES_AT_ONCE = 1_000

/** A bare COPY into a staging table and one upsert by the same rule. It checks nothing and counts nothing. */
export async function copyCandles(
  sql: postgres.Sql,
  exchange: string,
  symbol: string,
  candles: Iterable<CandleInput>,
): Promise<void> {
  const [series] = await sql`
    insert into market.series (exchange, symbol, timeframe) values (${exchange}, ${symbol}, '1m')
    on conflict (exchange, symbol, timeframe) do update set exchange = excluded.exchange returning id`
  await sql.begin(async (tx) => {
    await tx`create temp table staging (series_id bigint, open_time timestamptz, complete boolean, open numeric, high numeric,
      low numeric, close numeric, volume numeric, quote_volume numeric, taker_buy_volume numeric,
      taker_buy_quote_volume numeric, trade_count bigint, source text) on commit drop`
    await pipeline(Readable.from(linesOf(series?.id, candles)), await tx`copy staging from stdin`.writable())
    await tx`
      insert into market.candles as stored (series_id, open_time, complete, open, high, low, close, volume, quote_volume,
        taker_buy_volume, taker_buy_quote_volume, trade_count, source)
      select * from staging
      on conflict (series_id, open_time) do update set complete = excluded.complete, open = excluded.open,
        high = excluded.high, low = excluded.low, close = excluded.close, volume = excluded.volume,
        quote_volume = excluded.quote_volume, taker_buy_volume = excluded.taker_buy_volume,
        taker_buy_quote_volume = excluded.taker_buy_quote_volume, trade_count = excluded.trade_count,
        source = excluded.source, revised = true
      where (excluded.complete or not stored.complete)
        and (stored.complete, stored.open, stored.high, stored.low, stored.close, stored.volume, stored.quote_volume,
          stored.taker_buy_volume, stored.taker_buy_quote_volume, stored.trade_count)
        is distinct from (excluded.complete, excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume,
          excluded.quote_volume, excluded.taker_buy_volume, excluded.taker_buy_quote_volume, excluded.trade_count)`
  })
}

function* linesOf(seriesId: unknown, candles: Iterable<CandleInput>): Generator<string> {
  let lines = ''
  let count = 0
  for (const { openTime, open, high, low, close, volume } of candles) {
    lines += `${seriesId}\t${openTime.toISOString()}\tt\t${open}\t${high}\t${low}\t${close}\t${volume}\t\\N\t\\N\t\\N\t\\N\t\\N\n`
    count += 1
    if (count % LINES_AT_ONCE === 0) {
      yield lines
      lines = ''
    }
  }
  if (lines !== '') yield lines
}
