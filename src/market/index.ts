export {
  type CalendarEvent,
  type CalendarEventInput,
  type ListUpcomingEventsInput,
  listUpcomingEvents,
  type RecordCalendarEventsInput,
  recordCalendarEvents,
} from './calendar-events.ts'
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
export {
  type FearGreed,
  type FearGreedInput,
  type FearGreedSource,
  getLatestFearGreed,
  type ListFearGreedInput,
  listFearGreed,
  recordFearGreed,
} from './fear-greed.ts'
export {
  type FundingRateAnalysis,
  type FundingRateAnalysisInput,
  getFundingRateAnalysis,
} from './funding-rate-analysis.ts'
export type { FundingRateInput, RefusedFundingRate } from './funding-rate-input.ts'
export {
  type FundingRate,
  type FundingRateSeries,
  type FundingRatesRecorded,
  getLatestFundingRate,
  type ListFundingRatesInput,
  listFundingRates,
  type RecordFundingRatesInput,
  recordFundingRates,
} from './funding-rates.ts'
export type { CandleGap, ClosedDay } from './gap-math.ts'
export {
  getLatestIndicators,
  type Indicators,
  type IndicatorsInput,
  type ListIndicatorsInput,
  listIndicators,
  type RecordIndicatorsInput,
  recordIndicators,
} from './indicators.ts'
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
  type ListNewsInput,
  listNews,
  type News,
  type NewsInput,
  type RecordNewsInput,
  recordNews,
} from './news.ts'
export { findNewsEmbargo, isNewsEmbargo, type NewsEmbargoInput } from './news-embargo.ts'
export {
  getLatestOnchainMetric,
  type ListOnchainMetricsInput,
  listOnchainMetrics,
  type OnchainMetric,
  type OnchainMetricInput,
  type OnchainMetricSeries,
  recordOnchainMetrics,
} from './onchain-metrics.ts'
export {
  getLatestOpenInterest,
  type ListOpenInterestInput,
  listOpenInterest,
  type OpenInterest,
  type OpenInterestInput,
  type OpenInterestSeries,
  recordOpenInterest,
} from './open-interest.ts'
export {
  type CandlesProgress,
  type CandlesRecorded,
  type RecordCandlesInput,
  recordCandles,
} from './record-candles.ts'
export type { ValuesRecorded } from './record-values.ts'
export { type ResampleCandlesInput, resampleCandles } from './resample.ts'
export {
  COUNTERPART_KINDS,
  type CounterpartKind,
  FEAR_GREED_CLASSES,
  type FearGreedClass,
  IMPACTS,
  type Impact,
  INSTRUMENT_STATUSES,
  type InstrumentStatus,
} from './schema/index.ts'
export {
  getLatestSentiment,
  type ListSentimentInput,
  listSentiment,
  recordSentiment,
  type Sentiment,
  type SentimentInput,
  type SentimentSeries,
} from './sentiment.ts'
export {
  type CandleSeries,
  type GetLatestPriceInput,
  type GetLatestPricesInput,
  getCandleSeries,
  getLatestPrice,
  getLatestPrices,
  type LatestPrice,
  type ListCandleSeriesInput,
  listCandleSeries,
  type SeriesName,
} from './series.ts'
export { CURRENCY_PEGS, listConcernedCurrencies } from './symbol-currencies.ts'
export { TIMEFRAMES, type Timeframe } from './timeframes.ts'
export type { TimePageInput } from './value-reads.ts'
export { type GetVolatilityInput, getVolatility, type Volatility } from './volatility.ts'
export { WEEKDAYS, type Weekday } from './weekdays.ts'
