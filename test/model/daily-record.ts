import { sql } from 'drizzle-orm'
import type { Database } from '../../src/db/database.ts'
import { registerBot } from '../../src/fleet/index.ts'
import { recordCandles, setInstrument } from '../../src/market/index.ts'
import {
  getOpenPosition,
  markPosition,
  type RecordFillInput,
  recordCashFlows,
  recordFills,
} from '../../src/trading/index.ts'
import type { DailyFacts, DailyLedger } from './daily-model.ts'

const HOUR_MS = 3_600_000

/** Records all facts for a new bot on an exchange of its own, which is named as the bot is. */
export async function recordDaily(db: Database, botId: string, facts: DailyFacts): Promise<void> {
  await registerBot(db, {
    botId,
    kind: 'test',
    strategy: 'none',
    exchange: botId,
    mode: 'paper',
    baseCurrency: facts.baseCurrency,
    initialEquity: facts.initialEquity,
    costBasisMethod: facts.method,
    timeZone: facts.zone,
  })
  if (facts.registeredAt !== null) {
    const at = new Date(facts.registeredAt).toISOString()
    await db.execute(sql`update fleet.bots set created_at = ${at}::timestamptz where bot_id = ${botId}`)
  }
  for (const { symbol, base, quote } of facts.pairs) {
    await setInstrument(db, {
      exchange: botId,
      symbol,
      kind: 'spot',
      baseCurrency: base,
      quoteCurrency: quote,
    })
  }
  for (const ledger of facts.ledgers) {
    const { instrument } = ledger.facts
    await setInstrument(db, { exchange: botId, symbol: ledger.symbol, ...instrument })
  }
  for (const ledger of facts.ledgers) await recordFillsOf(db, botId, ledger)
  await recordCashFlows(db, [
    ...facts.ledgers.flatMap(({ symbol, facts: ledger }) =>
      ledger.funding.map(({ id, amount, at }) => ({
        botId,
        exchange: botId,
        kind: 'funding' as const,
        symbol,
        positionSide: ledger.fills[0]?.positionSide ?? 'net',
        exchangeFlowId: id,
        amount,
        currency: ledger.instrument.settleCurrency,
        occurredAt: new Date(at),
      })),
    ),
    ...facts.flows.map(({ id, at, ...flow }) => ({
      botId,
      exchange: botId,
      ...flow,
      exchangeFlowId: id,
      occurredAt: new Date(at),
    })),
  ])
  for (const ledger of facts.ledgers) await recordMark(db, botId, ledger)
  await recordCandles(db, {
    candles: facts.closes.map(({ symbol, close, closesAt }) => ({
      exchange: botId,
      symbol,
      timeframe: '1h' as const,
      openTime: new Date(closesAt - HOUR_MS),
      open: close,
      high: close,
      low: close,
      close,
      volume: '1',
    })),
  })
}

/** Records the fills of one ledger of a bot that has it. */
export async function recordFillsOf(db: Database, botId: string, ledger: DailyLedger): Promise<void> {
  await recordFills(db, fillsOf(botId, ledger))
}

function fillsOf(botId: string, { symbol, facts }: DailyLedger): RecordFillInput[] {
  return facts.fills.map(({ feeInSettlement, liquidation, executedAt, ...fill }) => ({
    botId,
    exchange: botId,
    symbol,
    ...fill,
    executedAt: new Date(executedAt),
    ...(feeInSettlement == null ? {} : { feeInSettlement }),
    kind: liquidation ? ('liquidation' as const) : ('trade' as const),
  }))
}

async function recordMark(db: Database, botId: string, { symbol, facts, mark }: DailyLedger): Promise<void> {
  if (mark === undefined) return
  const positionSide = facts.fills[0]?.positionSide ?? 'net'
  const { id } = await getOpenPosition(db, { botId, exchange: botId, symbol, positionSide })
  await markPosition(db, {
    botId,
    positionId: id,
    price: mark.price,
    markedAt: new Date(mark.at),
  })
}
