import { toName } from '../db/columns.ts'
import { Decimal, ZERO } from '../db/decimal.ts'
import type { RecordFillInput } from '../trading/fill-input.ts'
import type { PositionSide } from '../trading/position-math.ts'
import type { FillKind } from '../trading/schema/fills.ts'
import { convertEntries, type Entry } from './ccxt-entry.ts'
import { type CcxtFee, type CcxtTrade, tradeSchema } from './ccxt-schema.ts'

export interface FillsFromCcxtOptions {
  readonly botId: string
  /** The exchange's name as the bot uses it everywhere. */
  readonly exchange: string
  /** The currency of fees that have none. Without it, such a fee is refused, unless it is zero. */
  readonly feeCurrency?: string | undefined
  /** The position side of trades that name none. `net` unless the account is hedged. */
  readonly positionSide?: PositionSide | undefined
}

/**
 * Converts ccxt's unified trades, as `fetchMyTrades` and `watchMyTrades` return them, to what `recordFills` takes.
 *
 * Numbers keep all their digits: a float becomes the text in `info` that it was read from, which is the one text there of
 * the same value to a double's precision; where there is none, or several that differ, it becomes the shortest decimal text
 * that reads as that float. Numbers that ccxt gives as text are taken as they are.
 *
 * A trade without an id gets none: the ledger then knows it by its content. Trades of one symbol and millisecond that have
 * no id keep the order of the array, so give whole milliseconds, as the exchange listed them. Those with an id are ordered
 * by it, since ccxt has sorted them by it. A fee without a cost is an unknown one, and left out.
 *
 * @throws `invalid_input` naming index and field of every problem (at most 20), as `trades[3].price: is missing`.
 */
export function fillsFromCcxt(trades: readonly unknown[], options: FillsFromCcxtOptions): RecordFillInput[] {
  const owner = { botId: toName(options.botId, 'botId'), exchange: toName(options.exchange, 'exchange') }
  const seen = new Map<string, bigint>()
  return convertEntries('trades', trades, tradeSchema, (trade, entry) => {
    const executedAt = entry.moment(trade)
    const price = entry.positive('price', trade.price)
    const quantity = entry.positive('amount', trade.amount)
    const fee = readFee(trade, entry, options.feeCurrency)
    const kind = readKind(entry)
    if (!executedAt || !price || !quantity || !kind) return undefined
    const positionSide = entry.positionSide() ?? options.positionSide
    return {
      ...owner,
      symbol: trade.symbol,
      side: trade.side,
      price,
      quantity,
      executedAt,
      kind,
      ...defined({
        exchangeTradeId: trade.id || undefined,
        exchangeOrderId: trade.order || undefined,
        positionSide,
        liquidity: trade.takerOrMaker ?? undefined,
        fee: fee?.fee,
        feeCurrency: fee?.feeCurrency,
        exchangePnl: entry.infoAmount(PNL_KEYS),
        exchangeStartPosition: entry.infoAmount(['startPosition']),
        sequence: trade.id ? undefined : nextPlace(seen, `${executedAt.getTime()} ${trade.symbol}`),
      }),
    }
  })
}

/** Where exchanges say what a trade realised: Hyperliquid, Binance, OKX. */
const PNL_KEYS = ['closedPnl', 'realizedPnl', 'fillPnl'] as const

function nextPlace(seen: Map<string, bigint>, key: string): bigint {
  const place = seen.get(key) ?? 0n
  seen.set(key, place + 1n)
  return place
}

/** Drops what is undefined, so that a printed input shows what was there. */
export function defined<Fields extends object>(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Fields
}

interface Fee {
  readonly fee: string
  readonly feeCurrency: string | undefined
}

function readFee(trade: CcxtTrade, entry: Entry, fallback: string | undefined): Fee | undefined {
  const { path, fees } = feesOf(trade)
  const amounts = fees.flatMap(({ cost, currency }, index) => {
    const key = path === 'fees' ? `fees[${index}]` : path
    const text = entry.amount(`${key}.cost`, cost)
    return text === undefined
      ? []
      : [{ key, text, value: new Decimal(text), currency: currency || undefined }]
  })
  const [first] = amounts
  if (first === undefined) return undefined
  const charged = amounts.filter(({ value }) => !value.isZero())
  if (charged.length === 0) return { fee: first.text, feeCurrency: first.currency }

  const currencies = new Set(charged.map(({ currency }) => currency ?? fallback))
  if (currencies.has(undefined)) {
    const unnamed = charged.find(({ currency }) => currency === undefined)
    const why = `is missing for a fee of ${unnamed?.text}; say it with the option feeCurrency`
    return entry.refuse(`${unnamed?.key}.currency`, why)
  }
  if (currencies.size > 1) {
    const names = [...currencies].join(', ')
    return entry.refuse(
      path,
      `are in several currencies (${names}); keep one here and record the others as cash flows of kind 'fee'`,
    )
  }
  const [feeCurrency] = currencies
  const [only] = charged
  const sum = charged.reduce((total, { value }) => total.plus(value), ZERO)
  return { fee: charged.length === 1 && only ? only.text : sum.toFixed(), feeCurrency }
}

/** The fees of a trade: ccxt lists them all in `fees`, and a single one in `fee` as well. */
function feesOf({ fee, fees }: CcxtTrade): { path: 'fee' | 'fees'; fees: readonly CcxtFee[] } {
  const listed = fees?.some(({ cost }) => cost !== undefined && cost !== null)
  if (fees && listed) return { path: 'fees', fees }
  return { path: 'fee', fees: fee ? [fee] : [] }
}

/** How each exchange marks in its own object what is no ordinary trade. */
const KIND_MARKS: readonly (readonly [key: string, pattern: RegExp, kind: FillKind])[] = [
  // Hyperliquid. Its object `liquidation` also marks the other side's trade, so it is not asked.
  ['dir', /^liquidated /i, 'liquidation'],
  ['dir', /^auto-deleveraging$/i, 'adl'],
  ['dir', /dust conversion/i, 'dust'],
  // Bybit.
  ['execType', /^bustTrade$/i, 'liquidation'],
  ['execType', /^adlTrade$/i, 'adl'],
  // Kraken futures.
  ['fillType', /^liquidation$/i, 'liquidation'],
  // Binance futures, from its stream.
  ['c', /^autoclose-/, 'liquidation'],
  ['c', /^adl_autoclose/, 'adl'],
]

function readKind(entry: Entry): FillKind | undefined {
  if (/^funding$/i.test(entry.infoText('execType') ?? '')) {
    return entry.refuse('info.execType', "is 'Funding': a payment, not a trade; record it as a cash flow")
  }
  const mark = KIND_MARKS.find(([key, pattern]) => pattern.test(entry.infoText(key) ?? ''))
  return mark ? mark[2] : 'trade'
}
