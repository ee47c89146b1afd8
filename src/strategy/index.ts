export {
  getStrategyAllocation,
  listStrategyActivations,
  type SetMaxActiveStrategiesInput,
  type StrategyActivation,
  type StrategyAllocation,
  setMaxActiveStrategies,
} from './allocations.ts'
export type { BacktestEquityInput, BacktestTradeInput, RecordBacktestInput } from './backtest-input.ts'
export {
  type Backtest,
  type BacktestEquity,
  type BacktestTrade,
  getBacktest,
  type ListBacktestEquityInput,
  type ListBacktestsInput,
  type ListBacktestTradesInput,
  listBacktestEquity,
  listBacktests,
  listBacktestTrades,
  recordBacktest,
} from './backtests.ts'
export {
  type GetLatestSelectionInput,
  getLatestSelection,
  getReviewSummary,
  type RecordReviewSummaryInput,
  type RecordSelectionInput,
  type ReviewSummary,
  recordReviewSummary,
  recordSelection,
  type Selection,
} from './by-day.ts'
export { type GradePerformanceInput, gradePerformance, type PerformanceGrade } from './grade.ts'
export {
  type DismissReviewInput,
  dismissReview,
  type ListReviewsInput,
  listReviews,
  type RecordReviewInput,
  type RequestReviewInput,
  type Review,
  recordReview,
  requestReview,
} from './reviews.ts'
export {
  type Insight,
  type ListInsightsInput,
  type ListStrategyPerformanceInput,
  listInsights,
  listStrategyPerformance,
  type RecordInsightInput,
  type RecordStrategyPerformanceInput,
  recordInsight,
  recordStrategyPerformance,
  type StrategyPerformance,
} from './runs.ts'
export { type Distribution, distributionSchema, summaryListSchema } from './schema/reviews.ts'
export {
  type ForbiddenConditions,
  forbiddenConditionsSchema,
  type RiskCaps,
  riskCapsSchema,
  type SessionWindow,
  sessionWindowSchema,
  sessionWindowsSchema,
} from './schema/rules.ts'
export { type SelectedSymbols, selectedSymbolsSchema } from './schema/runs.ts'
export {
  BACKTEST_DIRECTIONS,
  type BacktestDirection,
  documentSchema as strategyDocumentSchema,
  GRADES,
  type Grade,
  REVIEW_DECISIONS,
  REVIEW_STATUSES,
  type ReviewDecision,
  type ReviewStatus,
  SIGNAL_KINDS,
  SIGNAL_OUTCOMES,
  type SignalKind,
  type SignalOutcome,
  STRATEGY_STATUSES,
  type StrategyDocument,
  type StrategyStatus,
} from './schema/values.ts'
export { isInWindow } from './session-windows.ts'
export {
  getStrategySession,
  isStrategyInSession,
  SESSION_REASONS,
  type SessionReason,
  type StrategySession,
  type StrategySessionInput,
} from './sessions.ts'
export {
  type ListSignalsInput,
  listSignals,
  type RecordSignalInput,
  recordSignal,
  type SetSignalOutcomeInput,
  type Signal,
  setSignalOutcome,
} from './signals.ts'
export {
  type CreateStrategyInput,
  createStrategy,
  findStrategy,
  getStrategy,
  type ListStrategiesInput,
  listStrategies,
  type Strategy,
  type StrategyRules,
  type UpdateStrategyInput,
  updateStrategy,
} from './strategies.ts'
export {
  type ActivateStrategyInput,
  activateStrategy,
  archiveStrategy,
  PREPARED_STATUSES,
  type PreparedStatus,
  pauseStrategy,
  type ReplaceStrategyInput,
  replaceStrategy,
  type SetStrategyStatusInput,
  type StrategyChange,
  type StrategyReplacement,
  setStrategyStatus,
} from './strategy-status.ts'
export {
  listStrategySymbols,
  type SetStrategySymbolsInput,
  type StrategySymbol,
  type StrategySymbolInput,
  setStrategySymbols,
} from './strategy-symbols.ts'
