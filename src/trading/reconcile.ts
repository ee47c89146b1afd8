import { toInstant, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, Decimal, divide, toDecimal, toPositive } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { hashOf, type RecordFillInput } from './fill-input.ts'
import type { Fill, Position } from './ledger-rows.ts'
import { DIRECTIONS, type Direction, POSITION_SIDES, type PositionSide } from './position-math.ts'
import { readOpenPositions } from './positions.ts'
import { recordFill } from './record-fills.ts'

/** What an exchange says that the account holds of a symbol. */
export interface ExchangePosition {
  readonly symbol: string
  /** `net` unless the account is hedged. */
  readonly positionSide?: PositionSide
  readonly direction: Direction
  /** In base currency, or in contracts. Zero or more; zero is flat. */
  readonly quantity: Amount
  /** Average, in quote currency per unit. Needed to repair a position that is not known here. */
  readonly entryPrice?: Amount
}

export interface ReconcilePositionsInput {
  readonly botId: string
  readonly exchange: string
  /** All that the account holds. What is not in the list is flat. */
  readonly positions: readonly ExchangePosition[]
  /** When the exchange said so: the time of the repairs. */
  readonly at: Date
  /** True to record adjustment fills that bring our positions to the exchange's. Nothing is changed without it. */
  readonly repair?: boolean
}

export interface PositionComparison {
  readonly symbol: string
  readonly positionSide: PositionSide
  /** Signed: negative is short. */
  readonly ourQuantity: Decimal
  readonly exchangeQuantity: Decimal
  /** Exchange − ours. */
  readonly missingQuantity: Decimal
  readonly ourPrice: Decimal | null
  readonly exchangePrice: Decimal | null
}

export interface ReconcileReport {
  readonly matched: PositionComparison[]
  /** Both hold the symbol, and not as much of it. */
  readonly differing: PositionComparison[]
  /** The exchange holds it, and we know nothing of it. */
  readonly missing: PositionComparison[]
  /** We hold it, and the exchange does not. */
  readonly unknown: PositionComparison[]
  /** The adjustment fills that were recorded. */
  readonly repairs: Fill[]
}

/**
 * Compares the bot's open positions with what the exchange says, and on request repairs ours.
 *
 * A repair is a fill of kind `adjustment`. What we hold too much is given up at our own average price, so that no PnL is made
 * up; what we lack is taken at the price that brings our average to the exchange's. The same report repaired again, or by two
 * at once, changes nothing more.
 *
 * @throws `invalid_input` naming the field; also if a symbol is listed twice, or a repair needs an `entryPrice`.
 */
export async function reconcilePositions(
  db: Database,
  input: ReconcilePositionsInput,
): Promise<ReconcileReport> {
  const exchange = toName(input.exchange, 'exchange')
  const at = toInstant(input.at, 'at')
  const theirs = readExchangePositions(input.positions)
  const ours = new Map<string, Position>()
  for (const position of await readOpenPositions(db, input.botId)) {
    if (position.exchange === exchange) ours.set(keyOf(position), position)
  }
  const report: ReconcileReport = { matched: [], differing: [], missing: [], unknown: [], repairs: [] }
  for (const key of new Set([...theirs.keys(), ...ours.keys()])) {
    const comparison = compare(ours.get(key), theirs.get(key))
    report[verdictOf(comparison)].push(comparison)
  }
  if (!input.repair) return report
  for (const comparison of [...report.differing, ...report.missing, ...report.unknown]) {
    const position = ours.get(keyOf(comparison))
    for (const fill of repairsOf({ botId: input.botId, exchange, at }, comparison, position)) {
      report.repairs.push(await recordFill(db, fill))
    }
  }
  return report
}

interface Held {
  readonly symbol: string
  readonly positionSide: PositionSide
  readonly signed: Decimal
  readonly entryPrice: Decimal | null
}

function readExchangePositions(positions: readonly ExchangePosition[]): Map<string, Held> {
  const held = new Map<string, Held>()
  for (const [index, position] of positions.entries()) {
    const field = (name: string) => `positions[${index}].${name}`
    const quantity = toDecimal(position.quantity, field('quantity'))
    if (quantity.isNegative()) {
      throw new DataError(
        'invalid_input',
        `${field('quantity')} '${quantity.toFixed()}' is negative; give it with its direction`,
        { field: field('quantity') },
      )
    }
    const direction = toOneOf(position.direction, DIRECTIONS, field('direction'))
    const entry: Held = {
      symbol: toName(position.symbol, field('symbol')),
      positionSide: toOneOf(position.positionSide ?? 'net', POSITION_SIDES, field('positionSide')),
      signed: direction === 'long' ? quantity : quantity.neg(),
      entryPrice:
        position.entryPrice === undefined ? null : toPositive(position.entryPrice, field('entryPrice')),
    }
    if (entry.positionSide !== 'net' && entry.positionSide !== direction && !quantity.isZero()) {
      throw new DataError(
        'invalid_input',
        `${field('direction')} '${direction}' cannot be held on the ${entry.positionSide} side`,
        { field: field('direction') },
      )
    }
    const key = keyOf(entry)
    if (held.has(key)) {
      throw new DataError('invalid_input', `${field('symbol')} '${entry.symbol}' is listed twice`, {
        field: field('symbol'),
      })
    }
    held.set(key, entry)
  }
  return held
}

function keyOf(held: { readonly symbol: string; readonly positionSide: PositionSide }): string {
  return JSON.stringify([held.symbol, held.positionSide])
}

const NONE = new Decimal(0)

function compare(ours: Position | undefined, theirs: Held | undefined): PositionComparison {
  const ourQuantity = ours ? (ours.direction === 'long' ? ours.quantity : ours.quantity.neg()) : NONE
  const exchangeQuantity = theirs?.signed ?? NONE
  return {
    symbol: ours?.symbol ?? theirs?.symbol ?? '',
    positionSide: ours?.positionSide ?? theirs?.positionSide ?? 'net',
    ourQuantity,
    exchangeQuantity,
    missingQuantity: exchangeQuantity.minus(ourQuantity),
    ourPrice: ours?.averagePrice ?? null,
    exchangePrice: theirs?.entryPrice ?? null,
  }
}

function verdictOf(comparison: PositionComparison): 'matched' | 'differing' | 'missing' | 'unknown' {
  if (comparison.missingQuantity.isZero()) return 'matched'
  if (comparison.ourQuantity.isZero()) return 'missing'
  return comparison.exchangeQuantity.isZero() ? 'unknown' : 'differing'
}

type RepairBase = Pick<RecordFillInput, 'botId' | 'exchange'> & { readonly at: Date }

function repairsOf(
  base: RepairBase,
  comparison: PositionComparison,
  position: Position | undefined,
): RecordFillInput[] {
  const { ourQuantity: from, exchangeQuantity: to } = comparison
  const turns = !from.isZero() && !to.isZero() && from.s !== to.s
  if (turns && position) {
    return [
      repairFill(base, comparison, { from, to: NONE }, givenUpAt(position), LAST - 1n),
      repairFill(base, comparison, { from: NONE, to }, takenAt(comparison, undefined), LAST),
    ]
  }
  const grows = to.abs().gt(from.abs())
  const price = grows || !position ? takenAt(comparison, position) : givenUpAt(position)
  return [repairFill(base, comparison, { from, to }, price, LAST)]
}

// A repair answers to all that the exchange had counted: it comes after every other fill of its millisecond.
const LAST = 2n ** 63n - 1n

/** A price that a fill can carry. */
const PRICE_SCALE = 18

function givenUpAt(position: Position): Decimal {
  const { averagePrice } = position
  if (averagePrice) return averagePrice.toDecimalPlaces(PRICE_SCALE)
  throw new DataError('unexpected', `the open position in ${position.symbol} has no average price`)
}

/** The price at which what is lacking makes our average the exchange's; the exchange's own where there is none. */
function takenAt(comparison: PositionComparison, position: Position | undefined): Decimal {
  const { exchangePrice, exchangeQuantity, missingQuantity, symbol } = comparison
  if (!exchangePrice) {
    throw new DataError('invalid_input', `the repair of ${symbol} needs the entryPrice of the exchange`, {
      field: 'entryPrice',
    })
  }
  if (!position?.averagePrice || position.instrumentKind === 'inverse') return exchangePrice
  const wanted = exchangeQuantity.abs().times(exchangePrice)
  const held = position.quantity.times(position.averagePrice)
  const price = divide(wanted.minus(held), missingQuantity.abs()).toDecimalPlaces(PRICE_SCALE)
  return price.gt(0) ? price : exchangePrice
}

/**
 * The fill that takes a position from one signed quantity to another. Its id is made of both, so that whoever meets a repair
 * half done goes on with the same fill.
 */
function repairFill(
  { botId, exchange, at }: RepairBase,
  { symbol, positionSide }: PositionComparison,
  step: { readonly from: Decimal; readonly to: Decimal },
  price: Decimal,
  sequence: bigint,
): RecordFillInput {
  const change = step.to.minus(step.from)
  const content = [exchange, symbol, positionSide, at.toISOString(), step.from.toFixed(), step.to.toFixed()]
  return {
    botId,
    exchange,
    symbol,
    positionSide,
    side: change.isNegative() ? 'sell' : 'buy',
    quantity: change.abs(),
    price,
    executedAt: at,
    sequence,
    kind: 'adjustment',
    exchangeTradeId: `reconcile:${hashOf(content)}`,
  }
}
