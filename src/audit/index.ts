export {
  type AuditAnchor,
  auditAnchorSchema,
  type ExportAuditAnchorInput,
  exportAuditAnchor,
} from './anchor.ts'
export type { AuditFault, AuditFaultKind } from './audit-fault.ts'
export {
  type AuditVerification,
  type VerifyAuditTrailInput,
  verifyAuditTrail,
} from './audit-trail.ts'
export type { AuditTable } from './chain-heads.ts'
export {
  type DecisionHistoryEntry,
  type ListDecisionHistoryInput,
  listDecisionHistory,
  type RecordDecisionHistoryInput,
  recordDecisionHistory,
} from './decision-history.ts'
export {
  type ListRiskEventsInput,
  type ListUnresolvedRiskEventsInput,
  listRiskEvents,
  listUnresolvedRiskEvents,
  type RecordRiskEventInput,
  type ResolveRiskEventInput,
  type RiskEvent,
  recordRiskEvent,
  resolveRiskEvent,
} from './risk-events.ts'
export {
  DECISION_ACTIONS,
  type DecisionAction,
  detailsSchema,
  EVENT_SEVERITIES,
  type EventDetails,
  type EventSeverity,
  FLEET,
  RISK_BREACH_KINDS,
  RISK_EVENT_KINDS,
  type RiskBreachKind,
  type RiskEventKind,
} from './schema.ts'
export {
  type ListSystemEventsInput,
  listSystemEvents,
  type RecordSystemEventInput,
  recordSystemEvent,
  type SystemEvent,
} from './system-events.ts'
