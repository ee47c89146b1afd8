import { and, desc, eq, getTableColumns, sql } from 'drizzle-orm'
import { toInstant, toLabel, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, toDecimal, toPositive } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { toShare, toUuid } from '../db/input.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { found, many, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { toBotId } from '../fleet/bots.ts'
import { differing, optional, recordsOnce } from './record-once.ts'
import { signals } from './schema/signals.ts'
import {
  SIGNAL_KINDS,
  SIGNAL_OUTCOMES,
  type SignalKind,
  type SignalOutcome,
  type StrategyDocument,
} from './schema/values.ts'
import { toSymbols } from './strategies.ts'

/** What a bot's strategy said before anything was ordered. */
export type Signal = typeof signals.$inferSelect

export interface RecordSignalInput {
  readonly botId: string
  /** A UUID of the caller's, which makes it safe to repeat. Made here if left out. */
  readonly id?: string | undefined
  /** Left out for a bot whose strategy is not registered. */
  readonly strategyId?: string | null | undefined
  readonly exchange: string
  readonly symbol: string
  readonly kind: SignalKind
  /** 0 to 1. 1 unless said otherwise. */
  readonly strength?: number | undefined
  /** 0 to 1. */
  readonly confidence?: number | null | undefined
  /** In quote currency, as the strategy saw it. Positive. */
  readonly price: Amount
  /** In quote currency. Positive. */
  readonly suggestedStopLoss?: Amount | null | undefined
  readonly suggestedTakeProfit?: Amount | null | undefined
  /** In base currency, or in contracts. Positive. */
  readonly suggestedQuantity?: Amount | null | undefined
  readonly indicators?: StrategyDocument | undefined
  readonly marketConditions?: StrategyDocument | undefined
  readonly metadata?: StrategyDocument | undefined
  /** The names of the filters that let it pass, and of those that did not. */
  readonly passedFilters?: readonly string[] | undefined
  readonly failedFilters?: readonly string[] | undefined
  /** Whether the filters let it pass. False unless said otherwise. */
  readonly validated?: boolean | undefined
  readonly notes?: string | null | undefined
  /** The database's clock if left out. */
  readonly emittedAt?: Date | undefined
  /** The first moment that it no longer holds. */
  readonly validUntil?: Date | null | undefined
  /** The order that came of it, where there is one already. */
  readonly orderId?: string | null | undefined
}

const recordOnce = recordsOnce('recordSignal', signals, [signals.botId, signals.id])

/**
 * Records what a strategy said, and returns it. Safe to repeat with an `id`: the same again changes nothing.
 *
 * @throws `conflict` naming the fields if the id is taken by a signal that says something else.
 * @throws `missing_reference` if the bot or the strategy is not there.
 * @throws `invalid_input` naming the field.
 */
export async function recordSignal(db: Database, input: RecordSignalInput): Promise<Signal> {
  const botId = toBotId(input.botId)
  const id = input.id === undefined ? newId() : toUuid(input.id, 'id')
  const { row } = await recordOnce(
    db,
    { botId, id, ...readSignal(input) },
    `signal '${id}' of bot '${botId}'`,
  )
  return row
}

function readSignal(input: RecordSignalInput) {
  return {
    strategyId: optional(input.strategyId, 'strategyId', toUuid),
    exchange: toName(input.exchange, 'exchange'),
    symbol: toName(input.symbol, 'symbol'),
    kind: toOneOf(input.kind, SIGNAL_KINDS, 'kind'),
    strength: optional(input.strength, 'strength', toFraction) ?? undefined,
    confidence: optional(input.confidence, 'confidence', toFraction),
    price: toPositive(input.price, 'price'),
    suggestedStopLoss: optional(input.suggestedStopLoss, 'suggestedStopLoss', toPositive),
    suggestedTakeProfit: optional(input.suggestedTakeProfit, 'suggestedTakeProfit', toPositive),
    suggestedQuantity: optional(input.suggestedQuantity, 'suggestedQuantity', toPositive),
    indicators: input.indicators,
    marketConditions: input.marketConditions,
    metadata: input.metadata,
    passedFilters: optional(input.passedFilters, 'passedFilters', toSymbols) ?? undefined,
    failedFilters: optional(input.failedFilters, 'failedFilters', toSymbols) ?? undefined,
    validated: input.validated,
    notes: optional(input.notes, 'notes', toLabel),
    emittedAt: optional(input.emittedAt, 'emittedAt', toInstant) ?? undefined,
    validUntil: optional(input.validUntil, 'validUntil', toInstant),
    orderId: optional(input.orderId, 'orderId', toUuid),
  }
}

/** Reads a score, a confidence or a fraction. */
export function toFraction(value: number, field: string): number {
  return toShare(value, field)
}

export interface SetSignalOutcomeInput {
  readonly botId: string
  readonly id: string
  readonly outcome: Exclude<SignalOutcome, 'pending'>
  /** In settlement currency: positive for a winner, negative for a loser, zero for breakeven. */
  readonly outcomePnl?: Amount | null | undefined
  /** Why it was not executed. */
  readonly rejectionReason?: string | null | undefined
  /** The order that executed it. Left out, the one that it has stays. */
  readonly orderId?: string | undefined
}

type OutcomeSlot = 'botId' | 'id' | 'outcome' | 'outcomePnl' | 'rejectionReason' | 'orderId'

const columns = getTableColumns(signals)
const listed = (alias: string) =>
  sql.raw(
    Object.values(columns)
      .map(({ name }) => `${alias}."${name}"`)
      .join(', '),
  )

// The row is locked before it is looked at: of two callers at once, the second sees what the first has said.
const outcomeStatement: PreparedStatement<Signal & { readonly isNew: boolean }, OutcomeSlot> = sqlStatement(
  'setSignalOutcome',
  (slot) => ({
    query: sql`
      with held as materialized (
        select s.* from ${signals} s where s.bot_id = ${slot('botId')} and s.id = ${slot('id')}::uuid for no key update),
      changed as (
        update ${signals} s
        set outcome = ${slot('outcome')}, outcome_pnl = ${slot('outcomePnl')}::numeric, rejection_reason = ${slot('rejectionReason')},
          order_id = coalesce(${slot('orderId')}::uuid, s.order_id)
        from held h where s.bot_id = h.bot_id and s.id = h.id and h.outcome = 'pending'
        returning s.*)
      select true, ${listed('c')} from changed c
      union all
      select false, ${listed('h')} from held h where not exists (select from changed)`,
    fields: { isNew: sql<boolean>`is_new`, ...columns },
  }),
)

/**
 * Says what became of a signal, once, and returns it. Safe to repeat: the same again changes nothing.
 *
 * @throws `invalid_transition` if something else was said of it already.
 * @throws `invalid_input` naming the field, also for a winner that lost.
 * @throws `not_found` if the bot has no such signal.
 */
export async function setSignalOutcome(db: Database, input: SetSignalOutcomeInput): Promise<Signal> {
  const botId = toBotId(input.botId)
  const id = toUuid(input.id, 'id')
  const ends = SIGNAL_OUTCOMES.filter((outcome) => outcome !== 'pending')
  const given = {
    outcome: toOneOf(input.outcome, ends, 'outcome'),
    outcomePnl: optional(input.outcomePnl, 'outcomePnl', toDecimal) ?? null,
    rejectionReason: optional(input.rejectionReason, 'rejectionReason', toName) ?? null,
    orderId: input.orderId === undefined ? undefined : toUuid(input.orderId, 'orderId'),
  }
  const rows = await outcomeStatement.run(db, {
    botId,
    id,
    ...given,
    outcomePnl: given.outcomePnl?.toFixed() ?? null,
    orderId: given.orderId ?? null,
  })
  const { isNew, ...signal } = found(`signal '${id}' of bot '${botId}'`, only('setSignalOutcome', rows))
  const fields = isNew ? [] : differing(signals, given, signal)
  if (fields.length === 0) return signal
  throw new DataError(
    'invalid_transition',
    `signal '${id}' of bot '${botId}' is ${signal.outcome} already, with another ${fields.join(', ')}`,
    { field: fields[0] },
  )
}

export interface ListSignalsInput extends PageInput<Pick<Signal, 'emittedAt' | 'id'>> {
  readonly botId: string
  readonly symbol?: string | undefined
  readonly strategyId?: string | undefined
  readonly outcome?: SignalOutcome | undefined
}

/** Returns the signals of a bot, newest first. Empty also for a bot that is not registered. */
export async function listSignals(db: Database, input: ListSignalsInput): Promise<Signal[]> {
  const { symbol, strategyId, outcome, after } = input
  return many(
    'listSignals',
    db
      .select()
      .from(signals)
      .where(
        and(
          eq(signals.botId, toBotId(input.botId)),
          symbol === undefined ? undefined : eq(signals.symbol, toName(symbol, 'symbol')),
          strategyId === undefined ? undefined : eq(signals.strategyId, toUuid(strategyId, 'strategyId')),
          outcome && eq(signals.outcome, toOneOf(outcome, SIGNAL_OUTCOMES, 'outcome')),
          comesAfter(signals.emittedAt, signals.id, after && { at: after.emittedAt, id: after.id }),
        ),
      )
      .orderBy(desc(signals.emittedAt), desc(signals.id))
      .limit(readLimit(input.limit)),
  )
}
