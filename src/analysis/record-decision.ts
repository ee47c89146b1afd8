import { type SQL, sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { only } from '../db/rows.ts'
import { refuseOther } from '../db/same.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import {
  type CheckedDecision,
  checkDecision,
  type DecisionInFull,
  differencesFromDecision,
  type RecordDecisionInput,
} from './decision-input.ts'
import { findDecision } from './decisions.ts'
import { decisions } from './schema/decisions.ts'

const SENT = [
  'botId',
  'id',
  'snapshotId',
  'strategyId',
  'exchange',
  'symbol',
  'intendedAction',
  'confidence',
  'quantity',
  'positionFraction',
  'leverage',
  'stopLoss',
  'takeProfit',
  'entryPrice',
  'reasons',
  'marketRegime',
  'vetoReason',
  'vetoSource',
  'vetoedAt',
  'latencyMs',
  'decidedAt',
] as const

type Sent = (typeof SENT)[number]
type Slot = Sent | 'evidence' | 'checks'

interface Times {
  readonly decidedAt: Date
  readonly recordedAt: Date
  readonly vetoedAt: Date | null
}

const recordStatement: PreparedStatement<Times, Slot> = sqlStatement('recordDecision', (slot) => {
  const values = SENT.map((key): SQL => {
    const value = sql`${slot(key)}::${sql.raw(decisions[key].getSQLType())}`
    if (key === 'decidedAt') return sql`coalesce(${value}, now())`
    return key === 'vetoedAt' ? sql`case when ${slot('vetoReason')}::text is not null then now() end` : value
  })
  return {
    query: sql`
      with added as (
        insert into analysis.decisions (${sql.join(
          SENT.map((key) => sql.identifier(decisions[key].name)),
          sql`, `,
        )}) select ${sql.join(values, sql`, `)}
        on conflict do nothing returning bot_id, id, decided_at, recorded_at, vetoed_at),
      evidence as (
        insert into analysis.decision_evidence (bot_id, decision_id, ordinal, source, technical_signal_id, llm_analysis_id,
          ml_prediction_id, signal_id, says, weight, score)
        select added.bot_id, added.id, e.n, e.s, case e.s when 'technical' then e.i end, case e.s when 'llm' then e.i end,
          case e.s when 'model' then e.i end, case e.s when 'signal' then e.i end, e.o, e.w, e.c
        from added, json_to_recordset(${slot('evidence')}::json)
          as e (n integer, s text, i uuid, o text, w double precision, c double precision)),
      checks as (
        insert into analysis.decision_checks (bot_id, decision_id, ordinal, code, passed, threshold, actual, unit, message, details)
        select added.bot_id, added.id, c.n, c.c, c.p, c.t, c.a, c.u, c.m, c.d
        from added, json_to_recordset(${slot('checks')}::json)
          as c (n integer, c text, p boolean, t numeric, a numeric, u text, m text, d jsonb))
      select decided_at, recorded_at, vetoed_at from added`,
    fields: {
      decidedAt: decisions.decidedAt,
      recordedAt: decisions.recordedAt,
      vetoedAt: decisions.vetoedAt,
    },
  }
})

/**
 * Stores what a bot decided, with the evidence that it was made on and every risk check, and returns it all. One statement:
 * nothing of it is there without the rest. Safe to repeat with the same `id`.
 *
 * Evidence is given by the id of what was recorded before; order is kept. A decision may be vetoed as it is made, or later
 * with `vetoDecision`.
 *
 * @throws `conflict` naming the fields if that `id` was recorded with other content.
 * @throws `missing_reference` if the bot is not registered, or the snapshot or a piece of evidence is not one of its own, or
 * there is no such strategy.
 * @throws `invalid_input` naming the field, as `evidence[1].weight`.
 */
export async function recordDecision(db: Database, input: RecordDecisionInput): Promise<DecisionInFull> {
  const decision = checkDecision(input)
  const added = only('recordDecision', await recordStatement.runWith(db, (slot) => valueFor(decision, slot)))
  if (added) return asStored(decision, added)
  const stored = await findDecision(db, decision)
  if (!stored) throw new DataError('unexpected', `decision '${decision.id}' was there and is gone`)
  refuseOther(`decision '${decision.id}'`, differencesFromDecision(stored, decision, input))
  return stored
}

function valueFor(decision: CheckedDecision, slot: Slot): unknown {
  switch (slot) {
    case 'reasons':
      return decision.reasonsText
    case 'vetoedAt':
      return null
    case 'evidence':
      return JSON.stringify(
        decision.evidence.map((one, i) => ({
          n: i + 1,
          s: one.source,
          i: one.id,
          o: one.says,
          w: one.weight,
          c: one.score,
        })),
      )
    case 'checks':
      return checksText(decision)
    case 'quantity':
    case 'positionFraction':
    case 'leverage':
    case 'stopLoss':
    case 'takeProfit':
    case 'entryPrice':
      return decision[slot]?.toFixed() ?? null
    default:
      return decision[slot]
  }
}

function checksText({ checks, detailsTexts }: CheckedDecision): string {
  const rows = checks.map((check, i) => {
    const row = JSON.stringify({
      n: i + 1,
      c: check.code,
      p: check.passed,
      t: check.threshold?.toFixed(),
      a: check.actual?.toFixed(),
      u: check.unit,
      m: check.message,
    })
    // The details are JSON already.
    return `${row.slice(0, -1)},"d":${detailsTexts[i] ?? '{}'}}`
  })
  return `[${rows.join(',')}]`
}

function asStored(decision: CheckedDecision, times: Times): DecisionInFull {
  const { reasonsText: _reasons, detailsTexts: _details, ...content } = decision
  const action = content.vetoReason === null ? content.intendedAction : 'vetoed'
  return { ...content, ...times, action }
}
