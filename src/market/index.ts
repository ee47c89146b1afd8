export type { RefusedCandle } from './candle-check.ts'
export { type FindCandleGapsInput, findCandleGaps } from './candle-gaps.ts'
export type { CandleInput } from './candle-input.ts'
export type { CandleRange } from './candle-range.ts'
export {
  type Candle,
  type GetCandlesInput,
  getCandles,
  getInexactCandles,
  getLatestCandle,
  type InexactCandles,
} from './candles.ts'
export {
  type CorrelatedSymbol,
  type GetMarketCorrelationInput,
  getMarketCorrelation,
  type MarketCorrelation,
} from './correlation.ts'
export { type CandleGap, type ClosedDay, WEEKDAYS, type Weekday } from './gap-math.ts'
export { INSTRUMENT_KINDS, type InstrumentKind } from './instrument-kinds.ts'
export {
  findInstrument,
  getInstrument,
  type Instrument,
  type ListInstrumentsInput,
  listInstruments,
  type SetInstrumentInput,
  setInstrument,
} from './instruments.ts'
export { type GetMarketSummaryInput, getMarketSummary, type MarketSummary } from './market-summary.ts'
export {
  type CandlesProgress,
  type CandlesRecorded,
  type RecordCandlesInput,
  recordCandles,
} from './record-candles.ts'
export { type ResampleCandlesInput, resampleCandles } from './resample.ts'
export {
  COUNTERPART_KINDS,
  type CounterpartKind,
  INSTRUMENT_STATUSES,
  type InstrumentStatus,
} from './schema/index.ts'
export {
  type CandleSeries,
  type GetLatestPriceInput,
  type GetLatestPricesInput,
  getLatestPrice,
  getLatestPrices,
  type LatestPrice,
  type ListCandleSeriesInput,
  listCandleSeries,
  type SeriesName,
} from './series.ts'
export { TIMEFRAMES, type Timeframe } from './timeframes.ts'
export { type GetVolatilityInput, getVolatility, type Volatility } from './volatility.ts'
