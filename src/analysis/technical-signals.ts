import { and, desc, eq } from 'drizzle-orm'
import { toInstant, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, toDecimal } from '../db/decimal.ts'
import { newId } from '../db/id.ts'
import { optional, toCount, toShare, toUuid } from '../db/input.ts'
import { readLimit } from '../db/page.ts'
import { many, one } from '../db/rows.ts'
import { type CheckedFact, factStore, type ListFactsInput, listed, recordFact } from './facts.ts'
import { technicalSignals } from './schema/analyses.ts'
import { type IndicatorReadings, OUTLOOKS, type Outlook } from './schema/values.ts'

export type TechnicalSignal = typeof technicalSignals.$inferSelect

export interface RecordTechnicalSignalInput {
  readonly botId: string
  /** Made by the caller, it makes the call safe to repeat. */
  readonly id?: string | undefined
  readonly exchange?: string | undefined
  readonly symbol: string
  /** As candles are named: `1h`. */
  readonly timeframe: string
  readonly signal: Outlook
  /** 0 to 1. */
  readonly confidence: number
  /** How many indicators say so. 0 unless given. */
  readonly bullishCount?: number | undefined
  readonly bearishCount?: number | undefined
  readonly neutralCount?: number | undefined
  /** What each indicator said, by its name. */
  readonly indicators: IndicatorReadings
  /** 0 to 100. */
  readonly rsi?: Amount | undefined
  readonly rsiSignal?: Outlook | undefined
  /** Quote currency per unit. */
  readonly macdHistogram?: Amount | undefined
  readonly macdSignal?: Outlook | undefined
  /** 0 at the lower band and 1 at the upper; beyond them, less or more. */
  readonly bollingerPosition?: Amount | undefined
  readonly bollingerSignal?: Outlook | undefined
  /** The database's clock if left out. */
  readonly analysedAt?: Date | undefined
}

const store = factStore('recordTechnicalSignal', technicalSignals, technicalSignals.analysedAt)

/**
 * Stores what a bot's indicators said together, and returns it. Safe to repeat with the same `id`.
 *
 * @throws `conflict` naming the fields if that `id` was recorded with other content.
 * @throws `missing_reference` if the bot is not registered.
 * @throws `invalid_input` naming the field.
 */
export async function recordTechnicalSignal(
  db: Database,
  input: RecordTechnicalSignalInput,
): Promise<TechnicalSignal> {
  return await recordFact(db, store, 'technical signal', checked(input), input)
}

function checked(input: RecordTechnicalSignalInput): CheckedFact {
  const outlook = (value: Outlook, field: string) => toOneOf(value, OUTLOOKS, field)
  return {
    botId: toName(input.botId, 'botId'),
    id: input.id === undefined ? newId() : toUuid(input.id, 'id'),
    exchange: optional(input.exchange, 'exchange', toName),
    symbol: toName(input.symbol, 'symbol'),
    timeframe: toName(input.timeframe, 'timeframe'),
    signal: outlook(input.signal, 'signal'),
    confidence: toShare(input.confidence, 'confidence'),
    bullishCount: toCount(input.bullishCount ?? 0, 'bullishCount'),
    bearishCount: toCount(input.bearishCount ?? 0, 'bearishCount'),
    neutralCount: toCount(input.neutralCount ?? 0, 'neutralCount'),
    indicators: input.indicators,
    rsi: optional(input.rsi, 'rsi', toDecimal),
    rsiSignal: optional(input.rsiSignal, 'rsiSignal', outlook),
    macdHistogram: optional(input.macdHistogram, 'macdHistogram', toDecimal),
    macdSignal: optional(input.macdSignal, 'macdSignal', outlook),
    bollingerPosition: optional(input.bollingerPosition, 'bollingerPosition', toDecimal),
    bollingerSignal: optional(input.bollingerSignal, 'bollingerSignal', outlook),
    analysedAt: optional(input.analysedAt, 'analysedAt', toInstant),
  }
}

export interface LatestTechnicalSignalInput {
  readonly botId: string
  readonly symbol: string
  /** Any if left out; so too below. */
  readonly timeframe?: string | undefined
  readonly exchange?: string | undefined
}

/** Returns the newest technical signal of a symbol. @throws `not_found` naming the symbol if the bot has none. */
export async function getLatestTechnicalSignal(
  db: Database,
  input: LatestTechnicalSignalInput,
): Promise<TechnicalSignal> {
  const { botId, symbol, timeframe, exchange } = input
  const which = [exchange, timeframe].filter((part) => part !== undefined).map((part) => ` ${part}`)
  return await one(
    'getLatestTechnicalSignal',
    `technical signal of '${symbol}'${which.join('')} of bot '${botId}'`,
    db
      .select()
      .from(technicalSignals)
      .where(
        and(
          eq(technicalSignals.botId, toName(botId, 'botId')),
          eq(technicalSignals.symbol, toName(symbol, 'symbol')),
          timeframe === undefined
            ? undefined
            : eq(technicalSignals.timeframe, toName(timeframe, 'timeframe')),
          exchange === undefined ? undefined : eq(technicalSignals.exchange, toName(exchange, 'exchange')),
        ),
      )
      .orderBy(desc(technicalSignals.analysedAt), desc(technicalSignals.id))
      .limit(1),
  )
}

/** `from` and `until` are of `analysedAt`. */
export type ListTechnicalSignalsInput = ListFactsInput<Pick<TechnicalSignal, 'analysedAt' | 'id'>>

/** Returns a bot's technical signals, newest first. @throws `invalid_input` naming the field. */
export async function listTechnicalSignals(
  db: Database,
  input: ListTechnicalSignalsInput,
): Promise<TechnicalSignal[]> {
  const { after } = input
  return await many(
    'listTechnicalSignals',
    db
      .select()
      .from(technicalSignals)
      .where(
        listed(
          technicalSignals,
          technicalSignals.analysedAt,
          input,
          after && { at: after.analysedAt, id: after.id },
        ),
      )
      .orderBy(desc(technicalSignals.analysedAt), desc(technicalSignals.id))
      .limit(readLimit(input.limit)),
  )
}
