import { toLabel, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import type { Decimal } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { toBotId } from '../fleet/bots.ts'
import { type CostBasisMethod, getBot } from '../fleet/index.ts'
import type { LedgerId, LedgerTerms } from '../trading/ledger.ts'
import { readLedgers, termsOf } from '../trading/ledger-read.ts'
import { type Direction, POSITION_SIDES, type PositionSide } from '../trading/position-math.ts'
import { listLedgers } from '../trading/rebuild.ts'
import { readFillsInOrder, readReplayStart } from '../trading/replay-read.ts'
import { type RoundTrip, RoundTripFold } from '../trading/round-trips.ts'
import { readTimeRange, type TimeRange } from './ranges.ts'

/**
 * What one closing fill took of one lot; by average cost, of the whole position. Money is in `currency`.
 *
 * `gain` is `proceeds − cost − fees` whichever way the position went: `proceeds` is what the sale brought, be it the exit of a
 * long or the entry of a short, and `cost` what was paid for the purchase. With inverse contracts money moves the other way
 * round, so there the entry of a long is the proceeds. Funding belongs to positions and not to lots: it is no part of this.
 */
export interface TaxLot {
  readonly botId: string
  readonly exchange: string
  readonly symbol: string
  readonly positionSide: PositionSide
  /** 1, 2, 3… within the bot's exchange, symbol and position side, in the order of closing. */
  readonly ordinal: number
  readonly direction: Direction
  readonly method: CostBasisMethod
  /** In base currency or contracts. Positive. */
  readonly quantity: Decimal
  /** When the lot was opened; by average cost, the position. */
  readonly openedAt: Date
  readonly closedAt: Date
  readonly holdingMs: number
  /** Whole days of 24 hours. */
  readonly holdingDays: number
  /** The settlement currency. */
  readonly currency: string
  /** Before fees, as `proceeds` is. */
  readonly cost: Decimal
  readonly proceeds: Decimal
  /** The lot's share of the fees of entry and exit, a rebate negative. Null while the value of one is unknown. */
  readonly fees: Decimal | null
  /** Null while fees are. A loss is negative. */
  readonly gain: Decimal | null
}

type TaxLotKey = Pick<TaxLot, 'exchange' | 'symbol' | 'positionSide' | 'ordinal'>

export interface ListTaxLotsInput extends PageInput<TaxLotKey>, TimeRange {
  readonly botId: string
}

/** What is read, once it is checked. */
interface TaxLotSpan extends TimeRange {
  readonly botId: string
  readonly after?: TaxLotKey | undefined
}

/**
 * Returns the lots that the bot closed from `from` on and before `to`, by its own cost-basis method: exchange by exchange,
 * symbol by symbol, and there in the order of closing.
 *
 * Nothing is stored of it: each call goes over the fills again, of each symbol from the first one on, with the instrument's
 * terms and the method of today. So a page costs as much as all before it; `exportTaxLots` gives them all for the price of one.
 *
 * @throws `not_found` if the bot is not registered.
 * @throws `invalid_input` naming the field, also if `after` is of a symbol that the bot never had a fact of.
 */
export async function listTaxLots(db: Database, input: ListTaxLotsInput): Promise<TaxLot[]> {
  const limit = readLimit(input.limit)
  const { after } = input
  const span = { botId: toBotId(input.botId), ...readTimeRange(input), after: after && readKey(after) }
  const lots: TaxLot[] = []
  for await (const page of readTaxLots(db, span)) {
    lots.push(...page.slice(0, limit - lots.length))
    if (lots.length === limit) break
  }
  return lots
}

function readKey({ exchange, symbol, positionSide, ordinal }: TaxLotKey): TaxLotKey {
  if (!Number.isSafeInteger(ordinal)) {
    throw new DataError('invalid_input', `after.ordinal ${ordinal} is not a whole number`, {
      field: 'after.ordinal',
    })
  }
  return {
    exchange: toName(exchange, 'after.exchange'),
    symbol: toLabel(symbol, 'after.symbol'),
    positionSide: toOneOf(positionSide, POSITION_SIDES, 'after.positionSide'),
    ordinal,
  }
}

/** Yields the lots page by page as the fills are read. No page is empty. @throws as `listTaxLots` does. */
export async function* readTaxLots(db: Database, span: TaxLotSpan): AsyncGenerator<TaxLot[]> {
  await getBot(db, span)
  const { after } = span
  const ledgers = await listLedgers(db, span.botId)
  const start = after ? ledgers.findIndex((id) => isOf(id, after)) : 0
  if (start === -1) {
    throw new DataError('invalid_input', `after.symbol '${after?.symbol}' is none of bot '${span.botId}'`, {
      field: 'after.symbol',
    })
  }
  for (const id of ledgers.slice(start)) {
    yield* readLotsOfLedger(db, id, span, after && isOf(id, after) ? after.ordinal : 0)
  }
}

function isOf(id: LedgerId, key: TaxLotKey): boolean {
  return id.exchange === key.exchange && id.symbol === key.symbol && id.positionSide === key.positionSide
}

async function* readLotsOfLedger(
  db: Database,
  id: LedgerId,
  { from, to }: TaxLotSpan,
  afterOrdinal: number,
): AsyncGenerator<TaxLot[]> {
  const [ledger] = await readLedgers(db, [id])
  if (!ledger) return
  const terms = termsOf(ledger)
  const fold = new RoundTripFold(terms.instrument, terms.method, 'fill_to_fill')
  let ordinal = 0
  // Whatever was asked for, the fold must begin where the ledger does: which lot is closed depends on all before it.
  for await (const page of readFillsInOrder(db, id, await readReplayStart(db, id, undefined))) {
    const lots: TaxLot[] = []
    for (const fill of page) {
      if (to && fill.executedAt >= to) break
      for (const trip of fold.add(fill)) {
        ordinal += 1
        if (ordinal > afterOrdinal && (!from || trip.closedAt >= from)) {
          lots.push(toTaxLot(id, terms, ordinal, trip))
        }
      }
    }
    if (lots.length > 0) yield lots
    const last = page.at(-1)
    if (to && last && last.executedAt >= to) return
  }
}

const DAY_MS = 86_400_000

function toTaxLot(
  id: LedgerId,
  { instrument, method }: LedgerTerms,
  ordinal: number,
  trip: RoundTrip,
): TaxLot {
  const { direction, quantity, entryCost, exitValue, fees, openedAt, closedAt } = trip
  const isBoughtFirst = (direction === 'long') === (instrument.kind !== 'inverse')
  const [cost, proceeds] = isBoughtFirst ? [entryCost, exitValue] : [exitValue, entryCost]
  const holdingMs = closedAt.getTime() - openedAt.getTime()
  return {
    ...id,
    ordinal,
    direction,
    method,
    quantity,
    openedAt,
    closedAt,
    holdingMs,
    holdingDays: Math.floor(holdingMs / DAY_MS),
    currency: instrument.settleCurrency,
    cost,
    proceeds,
    fees,
    gain: fees && proceeds.minus(cost).minus(fees),
  }
}
