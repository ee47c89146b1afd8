import { writeFile } from 'node:fs/promises'
import {
  type CandleInput,
  calculateDailyPnl,
  type Database,
  getPerformance,
  type Performance,
  recordCandles,
  renderTearSheet,
} from 'tradeblotter'
import type { Market } from './bot.ts'
import { type History, lengthMs, readHistory } from './history.ts'
import { day } from './terminal.ts'

/** A tear sheet that could not be written. */
export class SheetError extends Error {
  override readonly name = 'SheetError'
}

/** Calculates the days of the bot from its ledger, up to a moment, and returns what they come to. */
export async function measureDays(
  db: Database,
  market: Market,
  history: History,
  endedAt: Date,
): Promise<Performance> {
  const { botId } = market
  // A file's candles are those of the make-believe exchange already.
  if (history.exchange !== market.exchange) {
    await recordCandles(db, { candles: await listLastCandles(db, history, market.exchange) })
  }
  // The last moment is in the last day, and the next one is not.
  const now = new Date(endedAt.getTime() + 1)
  await calculateDailyPnl(db, { botId, to: day(endedAt), now })
  return await getPerformance(db, { botId, now })
}

/** Returns the last candle of each day as one of another exchange: a day is valued at the close before its end. */
async function listLastCandles(db: Database, history: History, exchange: string): Promise<CandleInput[]> {
  const { symbol, timeframe } = history
  const byDay = new Map<string, CandleInput>()
  for await (const { openTime, open, high, low, close, volume } of readHistory(db, history)) {
    const lastMoment = new Date(openTime.getTime() + lengthMs(timeframe) - 1)
    const candle = { exchange, symbol, timeframe, openTime, open, high, low, close, volume }
    byDay.set(day(lastMoment), candle)
  }
  return [...byDay.values()]
}

/** Writes the tear sheet of the bot, and returns how many bytes it has. @throws SheetError if the file cannot be written. */
export async function writeTearSheet(
  db: Database,
  { botId, symbol, fast, slow }: Market,
  file: string,
  endedAt: Date,
): Promise<number> {
  const title = `Moving averages ${fast}/${slow}, ${symbol}`
  const page = await renderTearSheet(db, { botId, title, now: new Date(endedAt.getTime() + 1) })
  try {
    await writeFile(file, page)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new SheetError(`the tear sheet cannot be written to ${file}: ${reason}`)
  }
  return Buffer.byteLength(page)
}
