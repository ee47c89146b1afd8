import { Decimal as DecimalJs } from 'decimal.js'
import type postgres from 'postgres'
import type { RecordFillInput } from 'tradeblotter'
import { v7 as uuidv7 } from 'uuid'

const Decimal = DecimalJs.clone({ precision: 100, toExpNeg: -9e15, toExpPos: 9e15 })

type Sql = postgres.Sql

/** What a careful person writes by hand: one read, the arithmetic, one conditional statement. No orders, no lots. */
export async function recordFillByHand(sql: Sql, fill: RecordFillInput): Promise<void> {
  const { botId, exchange, symbol, side, exchangeTradeId = '', fee = '0', feeCurrency = '' } = fill
  const [p] = await sql`
    select p.id, p.version, p.quantity, p.cost, p.realised_gross, p.fees, p.entry_quantity, p.entry_cost,
      p.exit_quantity, p.exit_value, p.peak_quantity, p.fill_count, p.direction, i.contract_size, i.kind,
      b.cost_basis_method, f.id as known
    from fleet.bots b
    join market.instruments i on i.exchange = ${exchange} and i.symbol = ${symbol}
    left join trading.positions p on p.bot_id = b.bot_id and p.exchange = i.exchange and p.symbol = i.symbol
      and p.position_side = 'net' and p.status = 'open'
    left join trading.fills f on f.bot_id = b.bot_id and f.exchange = i.exchange and f.symbol = i.symbol
      and f.exchange_trade_id = ${exchangeTradeId} and f.side = ${side}
    where b.bot_id = ${botId}`
  if (!p || p.known || !p.id) throw new Error('the hand-written form knows only a fill on an open position')
  const quantity = new Decimal(String(fill.quantity))
  const value = new Decimal(String(fill.price)).times(quantity)
  const held = new Decimal(p.quantity)
  const cost = new Decimal(p.cost)
  const isEntry = side === 'buy'
  const removed = isEntry ? new Decimal(0) : cost.times(quantity).div(held).toDecimalPlaces(40)
  const gross = isEntry ? new Decimal(0) : value.minus(removed)
  const after = isEntry ? held.plus(quantity) : held.minus(quantity)
  const total = (column: string, part: DecimalJs) => new Decimal(p[column]).plus(part).toFixed()
  const none = new Decimal(0)
  const [stored] = await sql`
    with p as (
      update trading.positions
      set quantity = ${after.toFixed()}, cost = ${(isEntry ? cost.plus(value) : cost.minus(removed)).toFixed()},
        realised_gross = ${total('realised_gross', gross)}, fees = ${total('fees', new Decimal(String(fee)))},
        entry_quantity = ${total('entry_quantity', isEntry ? quantity : none)},
        entry_cost = ${total('entry_cost', isEntry ? value : none)},
        exit_quantity = ${total('exit_quantity', isEntry ? none : quantity)},
        exit_value = ${total('exit_value', isEntry ? none : value)},
        peak_quantity = ${DecimalJs.max(p.peak_quantity, after).toFixed()},
        fill_count = ${p.fill_count + 1}, version = version + 1
      where bot_id = ${botId} and id = ${p.id} and version = ${p.version}
      returning id)
    insert into trading.fills (bot_id, id, exchange, symbol, side, exchange_trade_id, position_side, kind, price,
      quantity, fee, fee_currency, fee_in_settlement, executed_at, sequence, realised_gross, excess_quantity,
      position_id)
    select ${botId}, ${uuidv7()}, ${exchange}, ${symbol}, ${side}, ${exchangeTradeId}, 'net', 'trade',
      ${String(fill.price)}, ${quantity.toFixed()}, ${String(fee)}, ${feeCurrency}, ${String(fee)},
      ${fill.executedAt}, 0, ${gross.toFixed()}, 0, p.id
    from p returning *`
  if (!stored) throw new Error('somebody else changed the position')
}

/** A bare COPY into a staging table, and one upsert. It derives nothing. */
export async function copyFills(sql: Sql, fills: readonly RecordFillInput[]): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`create temp table staging (bot_id text, id uuid, exchange text, symbol text, side text,
      exchange_trade_id text, price numeric, quantity numeric, fee numeric, fee_currency text,
      executed_at timestamptz) on commit drop`
    const stream = await tx`copy staging from stdin`.writable()
    for (let from = 0; from < fills.length; from += 1000) {
      const lines = fills
        .slice(from, from + 1000)
        .map((fill) =>
          [
            fill.botId,
            uuidv7(),
            fill.exchange,
            fill.symbol,
            fill.side,
            fill.exchangeTradeId,
            fill.price,
            fill.quantity,
            fill.fee,
            fill.feeCurrency,
            fill.executedAt.toISOString(),
          ].join('\t'),
        )
      if (!stream.write(`${lines.join('\n')}\n`))
        await new Promise((resolve) => stream.once('drain', resolve))
    }
    await new Promise<void>((resolve, reject) => {
      stream.on('error', reject)
      stream.on('finish', resolve)
      stream.end()
    })
    await tx`
      insert into trading.fills (bot_id, id, exchange, symbol, side, exchange_trade_id, position_side, kind, price,
        quantity, fee, fee_currency, fee_in_settlement, executed_at, sequence, realised_gross, excess_quantity)
      select bot_id, id, exchange, symbol, side, exchange_trade_id, 'net', 'trade', price, quantity, fee,
        fee_currency, fee, executed_at, 0, 0, 0
      from staging
      on conflict (bot_id, exchange, symbol, exchange_trade_id, side) do nothing`
  })
}
