import { toInstant, toLabel, toName, toOneOf } from '../db/columns.ts'
import { type Amount, type Decimal, toDecimal, toPositive } from '../db/decimal.ts'
import { newId } from '../db/id.ts'
import { invalid, optional, toCount, toFlag, toNumberFrom, toShare, toUuid } from '../db/input.ts'
import { isSame } from '../db/same.ts'
import { encodeValue } from './facts.ts'
import { decisionChecks, decisions } from './schema/decisions.ts'
import {
  type CheckDetails,
  type DecisionReasons,
  EVIDENCE_SOURCES,
  type EvidenceSource,
  INTENDED_ACTIONS,
  type IntendedAction,
  OUTLOOKS,
  type Outlook,
} from './schema/values.ts'

/** What a bot decided, and whether that was vetoed. */
export type Decision = typeof decisions.$inferSelect

/** One signal, analysis or prediction that a decision was made on. */
export interface DecisionEvidence {
  readonly source: EvidenceSource
  /** Of the technical signal, the LLM analysis, the model prediction or the strategy's signal, as the source says. */
  readonly id: string
  readonly says: Outlook
  /** Its share in the decision, 0 to 1. */
  readonly weight: number | null
  /** -1, wholly bearish, to 1. */
  readonly score: number | null
}

/** One risk check of a decision, with its figures. */
export interface DecisionCheck {
  readonly code: string
  readonly passed: boolean
  /** What was allowed, and what there was, both in `unit`. */
  readonly threshold: Decimal | null
  readonly actual: Decimal | null
  readonly unit: string | null
  readonly message: string | null
  readonly details: CheckDetails
}

/** A decision with all that it was made on and every risk check, in the order in which they were given. */
export interface DecisionInFull extends Decision {
  readonly evidence: readonly DecisionEvidence[]
  readonly checks: readonly DecisionCheck[]
}

export interface DecisionEvidenceInput extends Omit<DecisionEvidence, 'weight' | 'score'> {
  readonly weight?: number | null | undefined
  readonly score?: number | null | undefined
}

export interface DecisionCheckInput {
  /** What was checked, such as `max_daily_loss`. */
  readonly code: string
  readonly passed: boolean
  /** What was allowed, and what there was, both in `unit`. */
  readonly threshold?: Amount | null | undefined
  readonly actual?: Amount | null | undefined
  /** Such as `USD` or `fraction`. */
  readonly unit?: string | null | undefined
  readonly message?: string | null | undefined
  /** What else belongs to it. Amounts as decimal text. */
  readonly details?: CheckDetails | undefined
}

export interface RecordDecisionInput {
  readonly botId: string
  /** Made by the caller, it makes the call safe to repeat. */
  readonly id?: string | undefined
  /** What was known: the snapshot taken for it. */
  readonly snapshotId?: string | undefined
  readonly strategyId?: string | undefined
  readonly exchange?: string | undefined
  readonly symbol: string
  readonly intendedAction: IntendedAction
  /** 0 to 1. */
  readonly confidence: number
  /** In base currency, or in contracts. Zero or more. */
  readonly quantity?: Amount | undefined
  /** Share of the bot's equity: 0.05 is 5 %. Zero or more. */
  readonly positionFraction?: Amount | undefined
  /** Positive. */
  readonly leverage?: Amount | undefined
  /** Quote currency per unit, as are the next two. Positive. */
  readonly stopLoss?: Amount | undefined
  readonly takeProfit?: Amount | undefined
  readonly entryPrice?: Amount | undefined
  readonly reasons: readonly DecisionReasons[number][]
  /** What the bot took the market for, such as `trending`. */
  readonly marketRegime?: string | undefined
  readonly latencyMs?: number | undefined
  /** The database's clock if left out. */
  readonly decidedAt?: Date | undefined
  /** For a decision that is vetoed as it is made. */
  readonly veto?: DecisionVetoInput | undefined
  readonly evidence?: readonly DecisionEvidenceInput[] | undefined
  readonly checks?: readonly DecisionCheckInput[] | undefined
}

export interface DecisionVetoInput {
  readonly reason: string
  /** What or who forbids it. */
  readonly source: string
}

/** A decision whose input was checked, before the database has given it its times. */
export interface CheckedDecision
  extends Omit<DecisionInFull, 'action' | 'decidedAt' | 'recordedAt' | 'vetoedAt'> {
  readonly decidedAt: Date | null
  /** The documents as they are sent. */
  readonly reasonsText: string
  readonly detailsTexts: readonly string[]
}

/** @throws `invalid_input` naming the field, as `evidence[1].weight`. */
export function checkDecision(input: RecordDecisionInput): CheckedDecision {
  const { veto } = input
  const checks = listOf(input.checks, 'checks')
  const reasonsText = documentText(decisions.reasons, input.reasons, 'reasons')
  const detailsTexts = checks.map(({ details }, i) =>
    details === undefined ? '{}' : documentText(decisionChecks.details, details, `checks[${i}].details`),
  )
  return {
    botId: toName(input.botId, 'botId'),
    id: input.id === undefined ? newId() : toUuid(input.id, 'id'),
    snapshotId: optional(input.snapshotId, 'snapshotId', toUuid),
    strategyId: optional(input.strategyId, 'strategyId', toUuid),
    exchange: optional(input.exchange, 'exchange', toName),
    symbol: toName(input.symbol, 'symbol'),
    intendedAction: toOneOf(input.intendedAction, INTENDED_ACTIONS, 'intendedAction'),
    confidence: toShare(input.confidence, 'confidence'),
    quantity: optional(input.quantity, 'quantity', toNotNegative),
    positionFraction: optional(input.positionFraction, 'positionFraction', toNotNegative),
    leverage: optional(input.leverage, 'leverage', toPositive),
    stopLoss: optional(input.stopLoss, 'stopLoss', toPositive),
    takeProfit: optional(input.takeProfit, 'takeProfit', toPositive),
    entryPrice: optional(input.entryPrice, 'entryPrice', toPositive),
    reasons: [...input.reasons],
    reasonsText,
    marketRegime: optional(input.marketRegime, 'marketRegime', toName),
    vetoReason: veto === undefined ? null : toName(veto.reason, 'veto.reason'),
    vetoSource: veto === undefined ? null : toName(veto.source, 'veto.source'),
    latencyMs: optional(input.latencyMs, 'latencyMs', toCount),
    decidedAt: optional(input.decidedAt, 'decidedAt', toInstant),
    evidence: listOf(input.evidence, 'evidence').map((one, i) => checkEvidence(one, `evidence[${i}]`)),
    checks: checks.map((one, i) => checkCheck(one, `checks[${i}]`)),
    detailsTexts,
  }
}

/** More than any decision has; each of them is a row. */
const PARTS_MAX = 1_000

function listOf<Part>(parts: readonly Part[] | undefined, field: string): readonly Part[] {
  if (parts === undefined) return []
  if (!Array.isArray(parts)) throw invalid(field, `is ${typeof parts}, not a list`)
  if (parts.length > PARTS_MAX) throw invalid(field, `has ${parts.length} entries, and may have ${PARTS_MAX}`)
  return parts
}

function documentText(
  column: typeof decisions.reasons | typeof decisionChecks.details,
  value: unknown,
  field: string,
): string {
  if (value === undefined || value === null) throw invalid(field, 'is missing')
  return String(encodeValue(column, value, field))
}

function checkEvidence(one: DecisionEvidenceInput, at: string): DecisionEvidence {
  return {
    source: toOneOf(one.source, EVIDENCE_SOURCES, `${at}.source`),
    id: toUuid(one.id, `${at}.id`),
    says: toOneOf(one.says, OUTLOOKS, `${at}.says`),
    weight: optional(one.weight, `${at}.weight`, toShare),
    score: optional(one.score, `${at}.score`, (value, field) => toNumberFrom(value, -1, 1, field)),
  }
}

function checkCheck(one: DecisionCheckInput, at: string): DecisionCheck {
  return {
    code: toName(one.code, `${at}.code`),
    passed: toFlag(one.passed, `${at}.passed`),
    threshold: optional(one.threshold, `${at}.threshold`, toDecimal),
    actual: optional(one.actual, `${at}.actual`, toDecimal),
    unit: optional(one.unit, `${at}.unit`, toName),
    message: optional(one.message, `${at}.message`, toLabel),
    details: one.details ?? {},
  }
}

function toNotNegative(value: Amount, field: string): Decimal {
  const amount = toDecimal(value, field)
  if (amount.isNegative() && !amount.isZero()) throw invalid(field, `${amount.toFixed()} is negative`)
  return amount
}

/** The fields in which a report contradicts the stored decision. A veto that came later contradicts nothing. */
export function differencesFromDecision(
  stored: DecisionInFull,
  report: CheckedDecision,
  input: RecordDecisionInput,
): string[] {
  const given: Readonly<Record<string, unknown>> = { ...input }
  const was: Readonly<Record<string, unknown>> = { ...stored }
  const is: Readonly<Record<string, unknown>> = { ...report }
  const differs = Object.keys(given).filter(
    (field) =>
      field !== 'veto' && field in was && given[field] !== undefined && !isSame(was[field], is[field]),
  )
  const isVetoedOtherwise =
    input.veto !== undefined &&
    (stored.vetoReason !== report.vetoReason || stored.vetoSource !== report.vetoSource)
  return isVetoedOtherwise ? [...differs, 'veto'] : differs
}
