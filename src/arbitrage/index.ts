export {
  type DexPrice,
  type DexPriceInput,
  type DexPriceKey,
  getLatestDexPrice,
  type ListDexPricesInput,
  type ListLatestDexPricesInput,
  listDexPrices,
  listLatestDexPrices,
  type RecordDexPricesInput,
  recordDexPrices,
} from './dex-prices.ts'
export {
  type Execution,
  type ExecutionKey,
  type ExecutionOutcome,
  type FinishExecutionInput,
  finishExecution,
  getExecution,
  type ListExecutionsInput,
  listExecutions,
  type StartExecutionInput,
  startExecution,
} from './executions.ts'
export {
  type FlashLoan,
  type ListFlashLoansInput,
  listFlashLoans,
  type RecordFlashLoanInput,
  recordFlashLoan,
} from './flash-loans.ts'
export {
  type GasPrice,
  getLatestGasPrice,
  type ListGasPricesInput,
  listGasPrices,
  type RecordGasPriceInput,
  recordGasPrice,
} from './gas-prices.ts'
export {
  type ExpireOpportunitiesInput,
  expireOpportunities,
  getOpportunity,
  type ListBestOpportunitiesInput,
  type ListOpportunitiesInput,
  listBestOpportunities,
  listOpportunities,
  type Opportunity,
  type OpportunityKey,
  type RecordOpportunityInput,
  recordOpportunity,
} from './opportunities.ts'
export {
  type ArbitrageDetails,
  type ArbitrageLeg,
  arbitrageDetails,
  arbitrageLeg,
  arbitrageLegs,
  EXECUTION_STATUSES,
  type ExecutionStatus,
  OPPORTUNITY_KINDS,
  OPPORTUNITY_STATUSES,
  type OpportunityKind,
  type OpportunityStatus,
} from './schema/values.ts'
export {
  type ArbitrageFigures,
  type ArbitrageProfit,
  type ArbitrageStatistics,
  type GetArbitrageStatisticsInput,
  getArbitrageStatistics,
} from './statistics.ts'
export {
  type ListTrianglesInput,
  listTriangles,
  type RecordTriangleInput,
  recordTriangle,
  type Triangle,
} from './triangles.ts'
