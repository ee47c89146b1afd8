export {
  bandOf,
  CALIBRATION_BANDS,
  type Calibration,
  type CalibrationBand,
  calibrate,
  type Forecast,
  type ForecastTally,
  tallyForecasts,
} from './calibration.ts'
export { concentration } from './concentration.ts'
export {
  continueDrawdown,
  type Drawdown,
  type EquityPoint,
  type Fall,
  FLOW_TIMINGS,
  type FlowTiming,
  type GrowthPoint,
  measureDrawdown,
} from './drawdown.ts'
export {
  flowAdjustedReturns,
  type PeriodEquity,
  type PeriodReturn,
  timeWeightedReturn,
} from './equity-returns.ts'
export { listFalls, listGrowthFalls } from './falls.ts'
export { type HistogramBin, histogram } from './histogram.ts'
export { type KellyInput, kellyFraction } from './kelly.ts'
export {
  correlationMatrix,
  covariance,
  covarianceMatrix,
  mean,
  pearsonCorrelation,
  standardDeviation,
} from './moments.ts'
export { normalQuantile } from './normal.ts'
export {
  annualisedVolatility,
  type CagrInput,
  type CalmarInput,
  cagr,
  calmar,
  PERIODS_PER_YEAR,
  type ReturnStatistics,
  type ReturnStatisticsOptions,
  returnStatistics,
  rollingSharpe,
  type SharpeOptions,
  type SortinoOptions,
  sharpe,
  sortino,
  type VolatilityOptions,
} from './ratios.ts'
export {
  alignSeries,
  compoundLogReturns,
  isSmallSample,
  logReturns,
  SMALL_SAMPLE_RETURNS,
  simpleReturns,
  type TimedValue,
} from './returns.ts'
export { type RiskScore, type RiskScoreInput, riskLevelOf, riskScore } from './risk-score.ts'
export { type TradeResult, type TradeStatistics, tradeStatistics } from './trade-statistics.ts'
export {
  expectedShortfall,
  type HistoricalInput,
  historicalValueAtRisk,
  momentsOf,
  type ParametricInput,
  type PortfolioInput,
  type PortfolioMoments,
  parametricValueAtRisk,
  portfolioMoments,
  portfolioReturns,
  type ValueAtRisk,
} from './value-at-risk.ts'
