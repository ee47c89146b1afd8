export {
  type AcknowledgeAlertInput,
  type Alert,
  type AlertKey,
  acknowledgeAlert,
  type ListAlertsInput,
  listAlerts,
  listOpenAlerts,
  type RecordAlertInput,
  type ResolveAlertInput,
  recordAlert,
  resolveAlert,
} from './alerts.ts'
export type {
  BreakerFacts,
  ClosedTrade,
  RuleLoss,
} from './breaker-findings.ts'
export {
  BREAKER_SCOPES,
  type BreakerCheck,
  type BreakerDecision,
  type BreakerScope,
  type BreakerTrip,
  countsAfter,
  type DrawdownHalt,
  decideBreakers,
  type RuleStanding,
  type StandingTrip,
  tripLength,
  type WatchedRule,
} from './breaker-rules.ts'
export type { CircuitBreaker } from './breaker-write.ts'
export {
  BLOCK_CODES,
  type Block,
  type BlockCode,
  type BlockEffect,
  type BlockScope,
} from './checks.ts'
export {
  type EndCircuitBreakerInput,
  type ListActiveCircuitBreakersInput,
  type ListCircuitBreakersInput,
  listActiveCircuitBreakers,
  listCircuitBreakers,
  overrideCircuitBreaker,
  resolveCircuitBreaker,
  type SetCircuitBreakerCooldownInput,
  setCircuitBreakerCooldown,
  type TripCircuitBreakerInput,
  tripCircuitBreaker,
} from './circuit-breakers.ts'
export {
  type CalculateCorrelationInput,
  type CorrelationMatrix,
  calculateCorrelation,
  type ListCorrelationsInput,
  listCorrelations,
} from './correlation.ts'
export {
  type Drawdown,
  getDrawdown,
  type ListDrawdownsInput,
  listDrawdowns,
  type RecordDrawdownInput,
  recordDrawdown,
} from './drawdowns.ts'
export {
  FLEET_RULE_PREFIX,
  isOnWatchlist,
  mergeRiskLimits,
  type RiskLimits,
} from './effective-settings.ts'
export {
  type BreakerEvaluation,
  type EvaluateCircuitBreakersInput,
  evaluateCircuitBreakers,
} from './evaluate-circuit-breakers.ts'
export {
  type Exposure,
  type GetExposureInput,
  getExposure,
  type HeldSymbol,
  type SymbolExposure,
} from './exposure.ts'
export {
  type ActivateKillSwitchInput,
  activateKillSwitch,
  type BeginKillSwitchRecoveryInput,
  beginKillSwitchRecovery,
  type DeactivateKillSwitchInput,
  deactivateKillSwitch,
  findActiveKillSwitch,
  getKillSwitchEvent,
  KILL_SWITCH_ACTIONS,
  type KillSwitchActivation,
  type KillSwitchEvent,
  type KillSwitchInput,
  listKillSwitchEvents,
  type RecordKillSwitchActionInput,
  recordKillSwitchAction,
} from './kill-switch.ts'
export {
  type GetSymbolLiquidityInput,
  getSymbolLiquidity,
  type SetSymbolLiquidityInput,
  type SymbolLiquidity,
  setSymbolLiquidity,
} from './liquidity.ts'
export {
  type ListLocksInput,
  type Lock,
  type LockEnd,
  type LockSymbolInput,
  listLocks,
  lockSymbol,
  type UnlockSymbolInput,
  unlockSymbol,
} from './locks.ts'
export {
  type ListRiskMetricsInput,
  listRiskMetrics,
  type RecordRiskMetricsInput,
  type RiskMetrics,
  recordRiskMetrics,
} from './metrics.ts'
export {
  type DeniedOrder,
  type PlacedOrder,
  type Placement,
  type PlaceOrderInput,
  placeOrder,
} from './place-order.ts'
export {
  ALERT_KINDS,
  ALERT_STATUSES,
  type AlertKind,
  type AlertStatus,
} from './schema/alerts.ts'
export {
  BREAKER_TRIGGERS,
  type BreakerRule,
  type BreakerRuleInput,
  type BreakerTrigger,
} from './schema/breaker-rules.ts'
export {
  BREAKER_STATUSES,
  type BreakerStatus,
} from './schema/circuit-breakers.ts'
export {
  KILL_SWITCH_SOURCES,
  KILL_SWITCH_STATUSES,
  type KillSwitchSource,
  type KillSwitchStatus,
} from './schema/gates.ts'
export {
  type RiskLevel,
  VALUE_AT_RISK_METHODS,
  type ValueAtRiskMethod,
} from './schema/measures.ts'
export {
  STOP_ORDER_KINDS,
  STOP_ORDER_STATUSES,
  type StopOrderKind,
  type StopOrderStatus,
} from './schema/stop-orders.ts'
export {
  SEVERITIES,
  type Severity,
} from './schema/values.ts'
export {
  type CurrentRiskSettings,
  type EffectiveRiskSettings,
  type GetRiskSettingsInput,
  getRiskSettings,
  type ListRiskSettingsInput,
  listRiskSettings,
  type RiskSettings,
  type SetRiskSettingsInput,
  setRiskSettings,
} from './settings.ts'
export type { RiskLimitsInput } from './settings-input.ts'
export {
  calculateStop,
  type FollowedStop,
  followStop,
  type StopInput,
  type StopLevels,
  type StopTerms,
  type TrailingTerms,
} from './stop-math.ts'
export {
  getStopOrder,
  type ListActiveStopOrdersInput,
  type ListStopOrdersInput,
  listActiveStopOrders,
  listStopOrders,
  type StopOrder,
  type StopOrderKey,
} from './stop-order-reads.ts'
export {
  type AdjustStopOrderInput,
  adjustStopOrder,
  type CancelStopOrderInput,
  type CreateStopOrderInput,
  cancelStopOrder,
  createStopOrder,
  type StopSubject,
} from './stop-orders.ts'
export {
  type GetRiskSummaryInput,
  getRiskSummary,
  type RiskSummary,
} from './summary.ts'
export {
  getTradingStatus,
  isTradingAllowed,
  type TradingStatus,
  type TradingStatusInput,
} from './trading-status.ts'
export {
  type TriggerStopOrdersInput,
  triggerStopOrders,
} from './trigger-stop-orders.ts'
export {
  type CalculateValueAtRiskInput,
  calculateValueAtRisk,
  type ListValueAtRiskInput,
  listValueAtRisk,
  type ValueAtRiskCalculation,
} from './value-at-risk.ts'
export {
  type Aged,
  type GetSymbolVolatilityInput,
  getSymbolVolatility,
  type SetSymbolVolatilityInput,
  type SymbolVolatility,
  setSymbolVolatility,
} from './volatility.ts'
export {
  type TradingStatusWatch,
  type WatchTradingStatusInput,
  watchTradingStatus,
} from './watch-trading-status.ts'
