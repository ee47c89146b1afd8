export {
  ANALYSIS_GROUPS,
  type AnalysisGroup,
  type AnalysisPerformance,
  type GetAnalysisPerformanceInput,
  getAnalysisPerformance,
} from './analysis-performance.ts'
export {
  type BacktestComparison,
  type CompareBacktestInput,
  type Compared,
  compareBacktestToLive,
  type SmallSamples,
} from './compare-backtest.ts'
export {
  type CalculateDailyPnlInput,
  type CalculatedDays,
  type CalculateFleetDailyPnlInput,
  calculateDailyPnl,
  calculateFleetDailyPnl,
  type DailyPnl,
  type DayOrRange,
  type FindStaleDailyPnlInput,
  findStaleDailyPnl,
  getDailyPnl,
  type ListDailyPnlInput,
  listDailyPnl,
  type StaleDay,
} from './daily-pnl.ts'
export {
  type DecisionReplay,
  POSITION_PARTS,
  type PositionPart,
  type ReplayDecisionInput,
  type ReplayedApproval,
  type ReplayedEvidence,
  type ReplayedOrder,
  type ReplayedPosition,
  replayDecision,
} from './decision-replay.ts'
export {
  type DrawdownPeriod,
  type EquityCurveInput,
  type EquityCurvePoint,
  type GetDrawdownsInput,
  getDrawdowns,
  getEquityCurve,
} from './equity-curve.ts'
export {
  type ExportDailyPnlInput,
  type ExportInput,
  exportDailyPnl,
  exportFills,
  exportTaxLots,
  exportTrades,
} from './export.ts'
export { EXPORT_FORMATS, type ExportFormat } from './export-text.ts'
export {
  type GetLlmCostsInput,
  getLlmCosts,
  type LlmCost,
  type LlmCostReport,
  type LlmCosts,
} from './llm-costs.ts'
export {
  type GetPerformanceInput,
  type GroupPerformance,
  getPerformance,
  PERFORMANCE_GROUPS,
  type Performance,
  type PerformanceGroup,
  type ReturnFigures,
  type TradeFigures,
} from './performance.ts'
export { type ListPeriodPnlInput, listPeriodPnl, PERIODS, type Period, type PeriodPnl } from './period-pnl.ts'
export {
  type GetPortfolioInput,
  getPortfolio,
  type Portfolio,
  type PortfolioBot,
  type PortfolioExposure,
} from './portfolio.ts'
export {
  type ListPortfolioSnapshotsInput,
  listPortfolioSnapshots,
  type PortfolioSnapshot,
  type RecordPortfolioSnapshotInput,
  recordPortfolioSnapshot,
} from './portfolio-snapshots.ts'
export {
  type BotPerformance,
  type DailyPortfolio,
  type ListBotPerformanceInput,
  type ListDailyPortfolioInput,
  listBotPerformance,
  listDailyPortfolio,
} from './portfolio-views.ts'
export type { DayRange, TimeRange } from './ranges.ts'
export { listRefreshes, type Refresh, refreshAnalytics } from './refresh.ts'
export { ANALYTICS_VIEWS, type AnalyticsView } from './schema/portfolio.ts'
export type { Fleet, Scope } from './scope.ts'
export { type ListTaxLotsInput, listTaxLots, type TaxLot } from './tax-lots.ts'
export { type RenderTearSheetInput, renderTearSheet } from './tear-sheet.ts'
export { type ListTradeDecisionsInput, listTradeDecisions } from './trade-decisions.ts'
