export {
  CANDLE_CSV_FORMATS,
  type CandleColumns,
  type CandleCsvFormat,
  type ReadCandleCsvOptions,
  readCandleCsv,
} from './candle-csv.ts'
export { type CandlesFromCcxtOptions, candlesFromCcxt } from './ccxt-candles.ts'
export { type CashFlowsFromCcxtOptions, cashFlowsFromCcxt } from './ccxt-cash-flows.ts'
export { type FillsFromCcxtOptions, fillsFromCcxt } from './ccxt-fills.ts'
export { type FundingRatesFromCcxtOptions, fundingRatesFromCcxt } from './ccxt-funding-rates.ts'
export {
  type InstrumentFromCcxtSymbolOptions,
  type InstrumentsFromCcxtOptions,
  instrumentFromCcxtSymbol,
  instrumentsFromCcxt,
} from './ccxt-instruments.ts'
export { type OrdersFromCcxtOptions, ordersFromCcxt } from './ccxt-orders.ts'
export type { CcxtFlow, CcxtOrderStatus } from './ccxt-schema.ts'
export type { ColumnPlace } from './csv-columns.ts'
export { TIME_FORMATS, type TimeFormat } from './csv-times.ts'
export {
  type ReadFreqtradeFundingJsonOptions,
  type ReadFreqtradeJsonOptions,
  readFreqtradeFundingJson,
  readFreqtradeJson,
} from './freqtrade-json.ts'
export { type FundingRateColumns, type ReadFundingRateCsvOptions, readFundingRateCsv } from './funding-csv.ts'
export { inferIntervals } from './funding-interval.ts'
export type { CandleSeriesOptions } from './market-options.ts'
export type { TextSource } from './text-source.ts'
