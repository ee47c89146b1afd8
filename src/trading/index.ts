export {
  type Balance,
  getLatestBalance,
  type LatestBalanceInput,
  type ListBalancesInput,
  listBalances,
  type RecordBalanceInput,
  recordBalance,
} from './balances.ts'
export type { RecordCashFlowInput } from './cash-flow-input.ts'
export {
  type ListCashFlowConflictsInput,
  type ListCashFlowsInput,
  listCashFlowConflicts,
  listCashFlows,
} from './cash-flows.ts'
export { type FillConflict, type ListFillConflictsInput, listFillConflicts } from './fill-conflicts.ts'
export type { RecordFillInput } from './fill-input.ts'
export {
  type FillGap,
  type ListFillGapsInput,
  type ListFillsInput,
  listFillGaps,
  listFills,
} from './fills.ts'
export type { CashFlow, Fill, Position, PositionLot } from './ledger-rows.ts'
export type { Order, RecordOrderInput } from './order-input.ts'
export { type LinkFillsInput, linkFills } from './order-links.ts'
export {
  findOrder,
  findOrderByClientId,
  findOrderByExchangeId,
  getOrder,
  type ListOpenOrdersInput,
  type ListOrderEventsInput,
  type ListOrderFillsInput,
  type ListOrdersInput,
  listOpenOrders,
  listOrderEvents,
  listOrderFills,
  listOrders,
  type OrderEvent,
  type OrderKey,
} from './order-reads.ts'
export {
  type CancelOrderInput,
  cancelOrder,
  expireOrder,
  type MarkOrderRejectedInput,
  type MarkOrderSubmittedInput,
  markOrderRejected,
  markOrderSubmitted,
  type RecordOrderRetryInput,
  recordOrderRetry,
} from './order-steps.ts'
export { recordOrder } from './orders.ts'
export {
  applyFill,
  applyFunding,
  calculateAveragePrice,
  calculateEntryPrice,
  calculateExitPrice,
  calculateNetPnl,
  calculateReturnFraction,
  calculateSignedCost,
  calculateUnrealisedPnl,
  DIRECTIONS,
  type Direction,
  type FillFact,
  type FillOutcome,
  type InstrumentTerms,
  type Lot,
  type LotClosure,
  POSITION_SIDES,
  type PositionSide,
  type PositionState,
  SIDES,
  type Side,
} from './position-math.ts'
export {
  calculatePositionPnl,
  findOpenPosition,
  getOpenPosition,
  getPosition,
  type ListPositionsInput,
  listOpenPositions,
  listPositions,
  type MarkPositionInput,
  markPosition,
  type OpenPositionInput,
  type PositionInput,
  type PositionPnl,
  type SetPositionDetailsInput,
  type SetPositionStopsInput,
  setPositionDetails,
  setPositionStops,
} from './positions.ts'
export {
  type LedgerDifference,
  type RebuildPositionsInput,
  type RebuildReport,
  rebuildPositions,
} from './rebuild.ts'
export {
  type ExchangePosition,
  type PositionComparison,
  type ReconcilePositionsInput,
  type ReconcileReport,
  reconcilePositions,
} from './reconcile.ts'
export {
  type CashFlowConflict,
  type RecordCashFlowsResult,
  recordCashFlow,
  recordCashFlows,
} from './record-cash-flows.ts'
export {
  type RecordFillsOptions,
  type RecordFillsResult,
  recordFill,
  recordFills,
} from './record-fills.ts'
export {
  listRoundTrips,
  ROUND_TRIP_GROUPINGS,
  type RoundTrip,
  type RoundTripGrouping,
} from './round-trips.ts'
export { BALANCE_KINDS, type BalanceKind } from './schema/balances.ts'
export {
  CASH_FLOW_KINDS,
  type CashFlowKind,
  FILL_KINDS,
  type FillKind,
  LIQUIDITIES,
  type Liquidity,
} from './schema/fills.ts'
export {
  ORDER_PURPOSES,
  ORDER_STATUSES,
  ORDER_TYPES,
  type OrderPurpose,
  type OrderStatus,
  type OrderType,
  TIMES_IN_FORCE,
  type TimeInForce,
} from './schema/orders.ts'
export { POSITION_STATUSES, type PositionStatus, type StrategyParameters } from './schema/positions.ts'
export { getTrade, type ListTradesInput, listRecentTrades, listTrades, type Trade } from './trades.ts'
