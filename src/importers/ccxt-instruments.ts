import { toName } from '../db/columns.ts'
import { type Amount, Decimal, toPositive } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import type { SetInstrumentInput } from '../market/index.ts'
import { convertEntries, type Entry, isRecord } from './ccxt-entry.ts'
import { defined } from './ccxt-fills.ts'
import { type CcxtMarket, type CcxtNumber, marketSchema } from './ccxt-schema.ts'

/** How an exchange object of ccxt writes precision, by its `precisionMode`. */
const DECIMAL_PLACES = 2
const TICK_SIZE = 4

export interface InstrumentsFromCcxtOptions {
  readonly exchange: string
  /**
   * The exchange object's `precisionMode`. 4 (tick size), as nearly all exchanges have, unless said otherwise; 2 counts
   * decimals; with any other, tick and lot size stay unknown.
   */
  readonly precisionMode?: number | undefined
}

/**
 * Converts ccxt's markets, as `exchange.markets` or `fetchMarkets` gives them, to what `setInstrument` takes.
 *
 * Options, and contracts settled in neither of their two currencies, are left out: the ledger cannot count them.
 *
 * @throws `invalid_input` naming index and field of every problem (at most 20), as `markets[3].contractSize: is missing`.
 */
export function instrumentsFromCcxt(
  markets: readonly unknown[] | Readonly<Record<string, unknown>>,
  options: InstrumentsFromCcxtOptions,
): SetInstrumentInput[] {
  const exchange = toName(options.exchange, 'exchange')
  const list = isRecord(markets) ? Object.values(markets) : (markets as readonly unknown[])
  return convertEntries('markets', list, marketSchema, (market, entry) => {
    const kind = kindOf(market, market.settle || (market.contract ? undefined : market.quote))
    if (market.option || market.type === 'option' || kind === undefined) return undefined
    const contractSize = kind === 'spot' ? '1' : entry.positive('contractSize', market.contractSize)
    if (contractSize === undefined) return undefined
    const mode = options.precisionMode ?? TICK_SIZE
    return {
      exchange,
      symbol: market.symbol,
      kind,
      baseCurrency: market.base,
      quoteCurrency: market.quote,
      contractSize,
      status: market.active === false ? 'suspended' : 'active',
      ...defined({
        tickSize: readStep(entry, 'precision.price', market.precision?.price, mode),
        lotSize: readStep(entry, 'precision.amount', market.precision?.amount, mode),
        minimumQuantity: entry.amount('limits.amount.min', market.limits?.amount?.min),
        minimumNotional: entry.amount('limits.cost.min', market.limits?.cost?.min),
      }),
    }
  })
}

function kindOf(
  { base, quote, contract }: Pick<CcxtMarket, 'base' | 'quote' | 'contract'>,
  settle: string | undefined,
): SetInstrumentInput['kind'] | undefined {
  if (!contract) return 'spot'
  if (settle === quote) return 'linear'
  return settle === base ? 'inverse' : undefined
}

function readStep(entry: Entry, key: string, value: CcxtNumber | null | undefined, mode: number) {
  if (mode === DECIMAL_PLACES) {
    const decimals = entry.amount(key, value)
    if (decimals === undefined) return undefined
    if (!/^-?\d{1,2}(?:\.0*)?$/.test(decimals))
      return entry.refuse(key, `is ${decimals}, no number of decimals`)
    return new Decimal(10).pow(new Decimal(decimals).neg()).toFixed()
  }
  const step = mode === TICK_SIZE ? entry.amount(key, value) : undefined
  return step !== undefined && new Decimal(step).gt(0) ? step : undefined
}

export interface InstrumentFromCcxtSymbolOptions {
  readonly exchange: string
  /** Base currency per contract (`inverse`: quote currency per contract). Positive; 1 unless said otherwise. */
  readonly contractSize?: Amount | undefined
}

/**
 * Reads an instrument from a unified symbol alone, for when the market is not at hand: `BTC/USDT` is spot, `BTC/USDT:USDT`
 * linear and `BTC/USD:BTC` inverse, with or without a date of delivery (`…-250627`).
 *
 * The symbol does not tell the contract size: PnL is wrong where it is not 1 and was not said.
 *
 * @throws `invalid_input` naming `symbol` for another text, an option, or a contract settled in a third currency.
 */
export function instrumentFromCcxtSymbol(
  symbol: string,
  options: InstrumentFromCcxtSymbolOptions,
): SetInstrumentInput {
  const [, baseCurrency, quoteCurrency, settle] = SYMBOL.exec(toName(symbol, 'symbol')) ?? []
  if (baseCurrency === undefined || quoteCurrency === undefined) {
    throw refused(symbol, 'is not a unified symbol such as BTC/USDT or BTC/USDT:USDT')
  }
  const contract = settle !== undefined
  const kind = kindOf({ base: baseCurrency, quote: quoteCurrency, contract }, settle)
  if (kind === undefined) throw refused(symbol, `is settled in ${settle}, neither of its currencies`)
  const contractSize = toPositive(options.contractSize ?? '1', 'contractSize').toFixed()
  if (kind === 'spot' && contractSize !== '1') {
    throw new DataError('invalid_input', `contractSize ${contractSize} of spot '${symbol}' must be 1`, {
      field: 'contractSize',
    })
  }
  return {
    exchange: toName(options.exchange, 'exchange'),
    symbol,
    kind,
    baseCurrency,
    quoteCurrency,
    contractSize,
  }
}

// A strike price and its side (`-50000-C`) after the date make an option, which this does not match.
const SYMBOL = /^([^/:\s]+)\/([^/:\s]+?)(?::([^/:\s-]+)(?:-[0-9A-Z]+)?)?$/

function refused(symbol: string, why: string): DataError {
  return new DataError('invalid_input', `symbol '${symbol.slice(0, 60)}' ${why}`, { field: 'symbol' })
}
