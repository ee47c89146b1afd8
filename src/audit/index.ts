export { type ListRiskEventsInput, listRiskEvents, type RiskEvent } from './risk-events.ts'
export { type EventDetails, FLEET, RISK_EVENT_KINDS, type RiskEventKind } from './schema.ts'
