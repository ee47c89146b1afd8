import { createHash } from 'node:crypto'
import { toInstant, toName, toOneOf } from '../db/columns.ts'
import { type Amount, type Decimal, toDecimal, toPositive, ZERO } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { toUuid } from '../db/input.ts'
import type { Fill } from './ledger-rows.ts'
import { POSITION_SIDES, type PositionSide, SIDES, type Side } from './position-math.ts'
import { FILL_KINDS, type FillKind, LIQUIDITIES, type Liquidity, type Report } from './schema/fills.ts'

/** One execution, as an exchange reports it. */
export interface RecordFillInput {
  readonly botId: string
  readonly exchange: string
  readonly symbol: string
  readonly side: Side
  /** Quote currency per unit of base currency. Positive. */
  readonly price: Amount
  /** In base currency, or in contracts. Positive. */
  readonly quantity: Amount
  readonly executedAt: Date
  /**
   * The exchange's id of the execution. Leave it out only if there is none: the fill is then known by its order, time, side,
   * price and quantity, so that two executions alike in all of them count as one.
   */
  readonly exchangeTradeId?: string | undefined
  /** Our id of the order. A fill may also come before its order: then give the exchange's id, which links them later. */
  readonly orderId?: string | undefined
  readonly exchangeOrderId?: string | undefined
  /** `net` unless the account is hedged. */
  readonly positionSide?: PositionSide | undefined
  /** `trade` unless said otherwise. */
  readonly kind?: FillKind | undefined
  readonly liquidity?: Liquidity | undefined
  /** In `feeCurrency`, negative for a rebate. Zero unless given. */
  readonly fee?: Amount | undefined
  /** Needed with a fee. */
  readonly feeCurrency?: string | undefined
  /** The fee's value in settlement currency, for a fee in a currency that the instrument does not have. */
  readonly feeInSettlement?: Amount | undefined
  /** What the exchange says that it realised, and the signed position it says was held before. Kept beside ours. */
  readonly exchangePnl?: Amount | undefined
  readonly exchangeStartPosition?: Amount | undefined
  /** The place in the exchange's own feed, where it tells one: it orders executions of the same millisecond. */
  readonly sequence?: bigint | undefined
}

/** A fill whose input was checked, before its ledger is known. */
export interface CheckedFill extends Omit<RecordedFacts, 'feeCurrency'> {
  /** Null for a zero fee without a currency: it becomes that of the settlement. */
  readonly feeCurrency: string | null
}

type RecordedFacts = Omit<
  Fill,
  'recordedAt' | 'realisedGross' | 'excessQuantity' | 'positionId' | 'openedPositionId'
>

/** @throws `invalid_input` naming the field that cannot be stored. */
export function checkFillInput(input: RecordFillInput): CheckedFill {
  const fee = input.fee === undefined ? ZERO : toDecimal(input.fee, 'fee')
  if (!fee.isZero() && input.feeCurrency === undefined) {
    throw new DataError('invalid_input', `fee ${fee.toFixed()} needs its feeCurrency`, {
      field: 'feeCurrency',
    })
  }
  const facts = {
    botId: toName(input.botId, 'botId'),
    id: newId(),
    orderId: input.orderId === undefined ? null : toUuid(input.orderId, 'orderId'),
    exchangeOrderId: optionalName(input.exchangeOrderId, 'exchangeOrderId'),
    exchange: toName(input.exchange, 'exchange'),
    symbol: toName(input.symbol, 'symbol'),
    side: toOneOf(input.side, SIDES, 'side'),
    positionSide: toOneOf(input.positionSide ?? 'net', POSITION_SIDES, 'positionSide'),
    kind: toOneOf(input.kind ?? 'trade', FILL_KINDS, 'kind'),
    liquidity: input.liquidity === undefined ? null : toOneOf(input.liquidity, LIQUIDITIES, 'liquidity'),
    price: toPositive(input.price, 'price'),
    quantity: toPositive(input.quantity, 'quantity'),
    fee,
    feeCurrency: optionalName(input.feeCurrency, 'feeCurrency'),
    feeInSettlement: optionalAmount(input.feeInSettlement, 'feeInSettlement'),
    exchangePnl: optionalAmount(input.exchangePnl, 'exchangePnl'),
    exchangeStartPosition: optionalAmount(input.exchangeStartPosition, 'exchangeStartPosition'),
    executedAt: toInstant(input.executedAt, 'executedAt'),
    sequence: toSequence(input.sequence ?? 0n),
  }
  const exchangeTradeId = optionalName(input.exchangeTradeId, 'exchangeTradeId') ?? contentId(facts)
  return { ...facts, exchangeTradeId }
}

function optionalName(value: string | undefined, field: string): string | null {
  return value === undefined ? null : toName(value, field)
}

function optionalAmount(value: Amount | undefined, field: string): Decimal | null {
  return value === undefined ? null : toDecimal(value, field)
}

const SEQUENCE_LIMIT = 2n ** 63n

function toSequence(value: bigint): bigint {
  if (typeof value === 'bigint' && value >= -SEQUENCE_LIMIT && value < SEQUENCE_LIMIT) return value
  throw new DataError('invalid_input', `sequence ${String(value)} is not a bigint of 64 bits`, {
    field: 'sequence',
  })
}

/** The id of an execution to which the exchange gave none: the same content has the same id, always. */
function contentId(fill: Omit<CheckedFill, 'exchangeTradeId'>): string {
  const content = [
    fill.exchangeOrderId ?? fill.orderId ?? '',
    fill.executedAt.toISOString(),
    fill.side,
    fill.positionSide,
    fill.price.toFixed(),
    fill.quantity.toFixed(),
  ]
  return `content:${hashOf(content)}`
}

/** A short name for a list of texts, the same for the same list. */
export function hashOf(content: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 32)
}

/**
 * The fields in which a report contradicts the stored fill of the same key. What a report leaves out does not contradict.
 */
export function differencesFrom(stored: Fill, report: CheckedFill): string[] {
  const differs: Record<string, boolean> = {
    price: !stored.price.eq(report.price),
    quantity: !stored.quantity.eq(report.quantity),
    executedAt: stored.executedAt.getTime() !== report.executedAt.getTime(),
    positionSide: stored.positionSide !== report.positionSide,
    fee: report.feeCurrency !== null && !stored.fee.eq(report.fee),
    feeCurrency: report.feeCurrency !== null && stored.feeCurrency !== report.feeCurrency,
    // Zero where the feed tells no place.
    sequence: stored.sequence !== 0n && report.sequence !== 0n && stored.sequence !== report.sequence,
    exchangeOrderId: contradicts(stored.exchangeOrderId, report.exchangeOrderId),
    orderId: contradicts(stored.orderId, report.orderId),
  }
  return Object.keys(differs).filter((field) => differs[field])
}

function contradicts(stored: string | null, reported: string | null): boolean {
  return stored !== null && reported !== null && stored !== reported
}

/** The report as it came, for keeping. */
export function reportOf(input: object): Report {
  const entries = Object.entries(input).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries.map(([field, value]) => [field, textOf(value)]))
}

function textOf(value: unknown): string | boolean | null {
  if (value === null || typeof value === 'boolean') return value
  return value instanceof Date ? value.toISOString() : String(value)
}
