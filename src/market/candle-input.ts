import type { Amount } from '../db/decimal.ts'
import type { Timeframe } from './timeframes.ts'

/** One candle as an exchange or a file gives it. */
export interface CandleInput {
  readonly exchange: string
  readonly symbol: string
  readonly timeframe: Timeframe
  /** On the timeframe's grid in UTC. */
  readonly openTime: Date
  /** Prices are in quote currency per unit. Positive; high and low enclose open and close. */
  readonly open: Amount
  readonly high: Amount
  readonly low: Amount
  readonly close: Amount
  /** In base currency, or contracts where the exchange counts those. Not negative. */
  readonly volume: Amount
  /** In quote currency. Leave it out if not known, as the three below. */
  readonly quoteVolume?: Amount | null | undefined
  /** The part of `volume` that takers bought. */
  readonly takerBuyVolume?: Amount | null | undefined
  readonly takerBuyQuoteVolume?: Amount | null | undefined
  readonly tradeCount?: number | null | undefined
  /** False while the candle is still forming. True unless said otherwise. */
  readonly complete?: boolean | undefined
  /** Where the report comes from. */
  readonly source?: string | null | undefined
}
