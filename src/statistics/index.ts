export { concentration } from './concentration.ts'
export {
  continueDrawdown,
  type Drawdown,
  type EquityPoint,
  type Fall,
  FLOW_TIMINGS,
  type FlowTiming,
  measureDrawdown,
} from './drawdown.ts'
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
  alignSeries,
  compoundLogReturns,
  isSmallSample,
  logReturns,
  SMALL_SAMPLE_RETURNS,
  simpleReturns,
  type TimedValue,
} from './returns.ts'
export { type RiskScore, type RiskScoreInput, riskLevelOf, riskScore } from './risk-score.ts'
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
