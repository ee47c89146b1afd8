import { and, desc, getTableColumns, sql } from 'drizzle-orm'
import { readNow, toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { readStored } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { toUuid } from '../db/input.ts'
import { readLimit } from '../db/page.ts'
import { found, many, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import type { Decision, DecisionCheck, DecisionEvidence, DecisionInFull } from './decision-input.ts'
import { type ListFactsInput, listed, nameList } from './facts.ts'
import { decisions } from './schema/decisions.ts'
import type { CheckDetails, EvidenceSource, Outlook } from './schema/values.ts'

type EvidenceValues = [EvidenceSource, string, Outlook, number | null, number | null]
type CheckValues = [string, boolean, string | null, string | null, string | null, string | null, CheckDetails]

const fields = getTableColumns(decisions)
const columns = Object.values(fields)

// Amounts as text, which JSON does not round.
const fullStatement: PreparedStatement<DecisionInFull, 'botId' | 'id'> = sqlStatement(
  'getDecision',
  (slot) => ({
    query: sql`
      select ${nameList(columns)},
        (select json_agg(json_build_array(e.source,
            coalesce(e.technical_signal_id, e.llm_analysis_id, e.ml_prediction_id, e.signal_id), e.says, e.weight, e.score)
            order by e.ordinal)
          from analysis.decision_evidence e where e.bot_id = ${slot('botId')} and e.decision_id = ${slot('id')}::uuid),
        (select json_agg(json_build_array(c.code, c.passed, c.threshold::text, c.actual::text, c.unit, c.message, c.details)
            order by c.ordinal)
          from analysis.decision_checks c where c.bot_id = ${slot('botId')} and c.decision_id = ${slot('id')}::uuid)
      from analysis.decisions where bot_id = ${slot('botId')} and id = ${slot('id')}::uuid`,
    fields: (values) => {
      const [evidence, checks] = values.slice(columns.length) as (string | null)[]
      const entries = Object.entries(fields).map(([key, column], i) => {
        const value = values[i]
        return [key, value === null ? null : column.mapFromDriverValue(value as never)]
      })
      return {
        ...(Object.fromEntries(entries) as Decision),
        evidence: listIn<EvidenceValues>(evidence).map(toEvidence),
        checks: listIn<CheckValues>(checks).map(toCheck),
      }
    },
  }),
)

function listIn<Values>(text: string | null | undefined): Values[] {
  return text ? (JSON.parse(text) as Values[]) : []
}

function toEvidence([source, id, says, weight, score]: EvidenceValues): DecisionEvidence {
  return { source, id, says, weight, score }
}

function toCheck([code, passed, threshold, actual, unit, message, details]: CheckValues): DecisionCheck {
  const amount = (text: string | null) => (text === null ? null : readStored(text))
  return { code, passed, threshold: amount(threshold), actual: amount(actual), unit, message, details }
}

/** Returns a decision with its evidence and checks, or undefined. */
export async function findDecision(
  db: Database,
  key: { readonly botId: string; readonly id: string },
): Promise<DecisionInFull | undefined> {
  return only('getDecision', await fullStatement.run(db, { botId: key.botId, id: key.id }))
}

export interface DecisionKey {
  readonly botId: string
  readonly decisionId: string
}

function readKey(input: DecisionKey): { botId: string; id: string } {
  return { botId: toName(input.botId, 'botId'), id: toUuid(input.decisionId, 'decisionId') }
}

const nameOf = (key: { botId: string; id: string }) => `decision '${key.id}' of bot '${key.botId}'`

/** Returns a decision with its evidence and checks. @throws `not_found` if the bot has no such decision. */
export async function getDecision(db: Database, input: DecisionKey): Promise<DecisionInFull> {
  const key = readKey(input)
  return found(nameOf(key), await findDecision(db, key))
}

/** `from` and `until` are of `decidedAt`. */
export type ListDecisionsInput = ListFactsInput<Pick<Decision, 'decidedAt' | 'id'>>

/** Returns a bot's decisions, newest first, without their evidence and checks. @throws `invalid_input` naming the field. */
export async function listDecisions(db: Database, input: ListDecisionsInput): Promise<Decision[]> {
  return await many(
    'listDecisions',
    db
      .select()
      .from(decisions)
      .where(which(input))
      .orderBy(desc(decisions.decidedAt), desc(decisions.id))
      .limit(readLimit(input.limit)),
  )
}

export interface ListDecisionsByReasonInput extends ListDecisionsInput {
  /** Of one of the decision's reasons: who spoke, and what it said where that is given. */
  readonly source: string
  readonly signal?: string | undefined
}

/**
 * Returns a bot's decisions of which one reason has this source, and this signal where it is given; newest first, without their
 * evidence and checks.
 *
 * @throws `invalid_input` naming the field.
 */
export async function listDecisionsByReason(
  db: Database,
  input: ListDecisionsByReasonInput,
): Promise<Decision[]> {
  const { signal } = input
  const source = toName(input.source, 'source')
  const reason = JSON.stringify([
    { source, ...(signal === undefined ? {} : { signal: toName(signal, 'signal') }) },
  ])
  return await many(
    'listDecisionsByReason',
    db
      .select()
      .from(decisions)
      .where(and(which(input), sql`${decisions.reasons} @> ${reason}::jsonb`))
      .orderBy(desc(decisions.decidedAt), desc(decisions.id))
      .limit(readLimit(input.limit)),
  )
}

function which(input: ListDecisionsInput) {
  const { after } = input
  return listed(decisions, decisions.decidedAt, input, after && { at: after.decidedAt, id: after.id })
}

export interface VetoDecisionInput extends DecisionKey {
  readonly reason: string
  /** What or who forbids it: a check, a model, a person. */
  readonly source: string
  /** The database's clock if left out. */
  readonly now?: Date | undefined
}

const vetoStatement: PreparedStatement<Decision, 'botId' | 'id' | 'reason' | 'source' | 'now'> = sqlStatement(
  'vetoDecision',
  (slot) => ({
    query: sql`
      update analysis.decisions
      set veto_reason = ${slot('reason')}, veto_source = ${slot('source')}, vetoed_at = coalesce(${slot('now')}::timestamptz(3), now())
      where bot_id = ${slot('botId')} and id = ${slot('id')}::uuid and vetoed_at is null
      returning ${nameList(columns)}`,
    fields,
  }),
)

/**
 * Forbids what a bot decided, once and for good, and returns the decision, whose action is `vetoed` from now on: no order is
 * placed for it any more. A veto and an order of the same decision never both succeed.
 *
 * @throws `invalid_transition` if it was vetoed already, or there is an order for it.
 * @throws `not_found` if the bot has no such decision.
 * @throws `invalid_input` naming the field, also in a transaction that is not `read committed`.
 */
export async function vetoDecision(db: Database, input: VetoDecisionInput): Promise<Decision> {
  const key = readKey(input)
  const vetoed = await vetoStatement.run(db, {
    ...key,
    reason: toName(input.reason, 'reason'),
    source: toName(input.source, 'source'),
    now: readNow(input.now),
  })
  const decision = only('vetoDecision', vetoed)
  if (decision) return decision
  const stored = found(nameOf(key), await findDecision(db, key))
  throw new DataError(
    'invalid_transition',
    `${nameOf(key)} was vetoed by ${stored.vetoSource} at ${stored.vetoedAt?.toISOString()}`,
  )
}
