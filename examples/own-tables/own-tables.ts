// Your own table beside ours, and your own query over both.
import { and, desc, eq, gte, sql } from 'drizzle-orm'
import { listTrades, recordFills, registerBot, setInstrument } from 'tradeblotter'
import { trades } from 'tradeblotter/schema'
import { openDatabase } from '../open-database.ts'
import { migrateJournal } from './migrate-journal.ts'
import { remarks } from './schema.ts'

await using db = await openDatabase()
console.log(
  `own migrations applied: ${await migrateJournal(db)}, and ${await migrateJournal(db)} the second time`,
)

const ledger = { botId: 'example-journal', exchange: 'paper', symbol: 'ETH/USDT' } as const
await registerBot(db, {
  botId: ledger.botId,
  kind: 'example',
  strategy: 'by hand',
  exchange: ledger.exchange,
  mode: 'paper',
  baseCurrency: 'USDT',
  initialEquity: '1000',
})
await setInstrument(db, { ...ledger, kind: 'spot', baseCurrency: 'ETH', quoteCurrency: 'USDT' })
await recordFills(
  db,
  (['3000', '3120.5', '3090', '3055.25', '3010', '3071'] as const).map((price, index) => ({
    ...ledger,
    exchangeTradeId: `T-${index + 1}`,
    side: index % 2 === 0 ? 'buy' : 'sell',
    price,
    quantity: '0.5',
    fee: '1.5',
    feeCurrency: 'USDT',
    executedAt: new Date(Date.UTC(2025, 2, 1 + index)),
  })),
)

// Writing to your own table is plain Drizzle on the same handle, and in the same transaction as a verb if you like.
for (const trade of await listTrades(db, { botId: ledger.botId })) {
  const isGood = trade.netPnl?.gt(0) ?? false
  await db
    .insert(remarks)
    .values({
      botId: trade.botId,
      tradeId: trade.tradeId,
      stars: isGood ? 4 : 2,
      remark: isGood ? 'waited for the level' : 'bought the top again',
    })
    .onConflictDoNothing()
}

const rows = await db
  .select({
    closedAt: trades.closedAt,
    netPnl: trades.netPnl,
    returnFraction: trades.returnFraction,
    stars: remarks.stars,
    remark: remarks.remark,
  })
  .from(trades)
  .innerJoin(remarks, and(eq(remarks.botId, trades.botId), eq(remarks.tradeId, trades.tradeId)))
  .where(and(eq(trades.botId, ledger.botId), gte(remarks.stars, 1)))
  .orderBy(desc(trades.closedAt))
for (const { closedAt, netPnl, returnFraction, stars, remark } of rows) {
  // Amounts arrive as exact decimals in your own queries too.
  const percent = returnFraction?.times(100).toFixed(2)
  console.log(
    `${closedAt.toISOString().slice(0, 10)}  ${'*'.repeat(stars).padEnd(5)} net ${netPnl} USDT (${percent} %)  ${remark}`,
  )
}

// An aggregate keeps its exactness when it is read with the column's own decoder.
const byStars = await db
  .select({
    stars: remarks.stars,
    net: sql`sum(${trades.netPnl})`.mapWith(trades.netPnl),
  })
  .from(remarks)
  .innerJoin(trades, and(eq(trades.botId, remarks.botId), eq(trades.tradeId, remarks.tradeId)))
  .where(eq(remarks.botId, ledger.botId))
  .groupBy(remarks.stars)
  .orderBy(desc(remarks.stars))
for (const { stars, net } of byStars) console.log(`${stars} stars: net ${net} USDT`)
