import { sql } from 'drizzle-orm'
import type { users } from '../access/schema.ts'
import type { Decision } from '../analysis/decision-input.ts'
import type { LlmAnalysis } from '../analysis/llm-analyses.ts'
import type { MlPrediction } from '../analysis/ml-predictions.ts'
import type { decisionChecks } from '../analysis/schema/index.ts'
import type { TechnicalSignal } from '../analysis/technical-signals.ts'
import type { decisionHistory } from '../audit/schema.ts'
import type { Database } from '../db/database.ts'
import type { Decimal } from '../db/decimal.ts'
import { toUuid } from '../db/input.ts'
import { found, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { toBotId } from '../fleet/bots.ts'
import type { tradeIdeas } from '../ideas/schema/index.ts'
import type { Snapshot } from '../snapshots/reads.ts'
import type { signals } from '../strategy/schema/index.ts'
import type { Fill } from '../trading/ledger-rows.ts'
import type { Order } from '../trading/order-input.ts'
import type { OrderEvent } from '../trading/order-reads.ts'
import type { positions } from '../trading/schema/positions.ts'
import { type ReplayDocument, readReplay } from './decision-replay-read.ts'

interface EvidenceWeight {
  readonly ordinal: number
  readonly says: 'bullish' | 'bearish' | 'neutral'
  /** 0 to 1. Null where nobody said, as is the score, −1 to 1. */
  readonly weight: number | null
  readonly score: number | null
}

/** One piece of evidence with what it is, by its source; of a language model without what it was asked and answered, for which there is `getLlmAnalysis`. */
export type ReplayedEvidence = EvidenceWeight &
  (
    | { readonly source: 'technical'; readonly technicalSignal: TechnicalSignal }
    | { readonly source: 'llm'; readonly llmAnalysis: LlmAnalysis }
    | { readonly source: 'model'; readonly mlPrediction: MlPrediction }
    | { readonly source: 'signal'; readonly signal: typeof signals.$inferSelect }
  )

/** An order of the decision, its steps in order and its fills in order of execution. What the gate asked is in `order.checks`. */
export interface ReplayedOrder {
  readonly order: Order
  readonly events: readonly OrderEvent[]
  readonly fills: readonly Fill[]
}

/** What fills may do to a position. */
export const POSITION_PARTS = ['opened', 'added', 'reduced', 'closed'] as const
export type PositionPart = (typeof POSITION_PARTS)[number]

/** A position that fills of the decision changed, and how it stands. */
export interface ReplayedPosition {
  readonly position: typeof positions.$inferSelect
  /** What the fills of the decision did to it, each once, in the order of the list. */
  readonly parts: readonly PositionPart[]
  /** Of the whole round trip, in settlement currency, after fees and funding; a loss is negative. Null while it is open, and while a fee is of unknown value. */
  readonly netPnl: Decimal | null
  /** Of what is held, at the last mark, in settlement currency. Null once it is closed, and without a mark. */
  readonly unrealisedPnl: Decimal | null
}

/** A person or a program that let the idea behind the decision through, or an order of it. */
export interface ReplayedApproval {
  readonly actor: string
  /** Of the user, where the idea names one. */
  readonly userId: (typeof users.$inferSelect)['id'] | null
  readonly email: string | null
  readonly tradeIdeaId: string | null
  readonly approvedAt: Date
}

/** Why a bot did what it did: what was known, what spoke for it, what was checked, who approved, what was ordered, and what it earned. */
export interface DecisionReplay {
  readonly decision: Decision
  readonly evidence: readonly ReplayedEvidence[]
  readonly checks: readonly (typeof decisionChecks.$inferSelect)[]
  /** Null where none was taken for it. */
  readonly snapshot: Snapshot | null
  /** The ideas that were made of it, first proposed first. */
  readonly ideas: readonly (typeof tradeIdeas.$inferSelect)[]
  /** What was written down about it and its ideas, in order. */
  readonly history: readonly (typeof decisionHistory.$inferSelect)[]
  readonly approvals: readonly ReplayedApproval[]
  /** First placed first. */
  readonly orders: readonly ReplayedOrder[]
  /** First opened first. */
  readonly positions: readonly ReplayedPosition[]
}

export interface ReplayDecisionInput {
  readonly botId: string
  readonly decisionId: string
}

// Each part is found through an index of the bot and the decision, or of what the part before it found.
const replay: PreparedStatement<{ readonly document: ReplayDocument }, 'botId' | 'decisionId'> = sqlStatement(
  'replayDecision',
  (slot) => ({
    query: sql`
      with decision as materialized (
        select d.* from analysis.decisions d where d.bot_id = ${slot('botId')} and d.id = ${slot('decisionId')}::uuid),
      named as materialized (
        select h.* from decision d join audit.decision_history h on h.bot_id = d.bot_id and h.decision_id = d.id),
      orders as materialized (
        select o.* from decision d join trading.orders o on o.bot_id = d.bot_id and o.decision_id = d.id),
      idea_ids as materialized (
        select i.bot_id, i.id from decision d join ideas.trade_ideas i on i.bot_id = d.bot_id and i.decision_id = d.id
        union select i.bot_id, i.id from orders o join ideas.trade_ideas i on i.bot_id = o.bot_id and i.order_id = o.id
        union select n.bot_id, n.trade_idea_id from named n where n.trade_idea_id is not null),
      history as (
        select * from named
        union select h.* from idea_ids i join audit.decision_history h on h.bot_id = i.bot_id and h.trade_idea_id = i.id),
      fills as materialized (
        select f.* from orders o join trading.fills f on f.bot_id = o.bot_id and f.order_id = o.id),
      held as (
        select f.bot_id, f.position_id as id from fills f where f.position_id is not null
        union select f.bot_id, f.opened_position_id from fills f where f.opened_position_id is not null)
      select jsonb_build_object(
        'decision', risk.numbers_as_text(to_jsonb(d)),
        'evidence', (
          select coalesce(jsonb_agg(jsonb_build_object('ordinal', e.ordinal, 'source', e.source, 'says', e.says, 'weight', e.weight,
            'score', e.score, 'piece', case e.source
              when 'technical' then (select risk.numbers_as_text(to_jsonb(t)) from analysis.technical_signals t
                where t.bot_id = e.bot_id and t.id = e.technical_signal_id)
              when 'llm' then (select risk.numbers_as_text(to_jsonb(l) - array['prompt', 'response', 'response_json', 'prompt_ciphertext',
                'response_ciphertext', 'response_json_ciphertext']) from analysis.llm_analyses l
                where l.bot_id = e.bot_id and l.id = e.llm_analysis_id)
              when 'model' then (select risk.numbers_as_text(to_jsonb(m)) from analysis.ml_predictions m
                where m.bot_id = e.bot_id and m.id = e.ml_prediction_id)
              else (select risk.numbers_as_text(to_jsonb(s)) from strategy.signals s where s.bot_id = e.bot_id and s.id = e.signal_id)
            end) order by e.ordinal), '[]')
          from analysis.decision_evidence e where e.bot_id = d.bot_id and e.decision_id = d.id),
        'checks', (
          select coalesce(jsonb_agg(risk.numbers_as_text(to_jsonb(c)) order by c.ordinal), '[]')
          from analysis.decision_checks c where c.bot_id = d.bot_id and c.decision_id = d.id),
        'snapshot', case when d.snapshot_id is not null then snapshots.document_of(d.bot_id, d.snapshot_id) end,
        'ideas', (
          select coalesce(jsonb_agg(risk.numbers_as_text(to_jsonb(i) || jsonb_build_object('targets', i.targets::text[]))
            || jsonb_build_object('decided_by_email', u.email) order by i.created_at, i.id), '[]')
          from idea_ids one join ideas.trade_ideas i on i.bot_id = one.bot_id and i.id = one.id
          left join access.users u on u.id = i.decided_by),
        'history', (select coalesce(jsonb_agg(risk.numbers_as_text(to_jsonb(h)) order by h.id), '[]') from history h),
        'orders', (
          select coalesce(jsonb_agg(risk.numbers_as_text(to_jsonb(o)) order by o.created_at, o.id), '[]') from orders o),
        'events', (
          select coalesce(jsonb_agg(risk.numbers_as_text(to_jsonb(v)) order by v.id), '[]')
          from orders o join trading.order_events v on v.bot_id = o.bot_id and v.order_id = o.id),
        'fills', (
          select coalesce(jsonb_agg(risk.numbers_as_text(to_jsonb(f)) order by f.executed_at, f.sequence, f.id), '[]') from fills f),
        'positions', (
          select coalesce(jsonb_agg(risk.numbers_as_text(to_jsonb(p)) order by p.opened_at, p.id), '[]')
          from held one join trading.positions p on p.bot_id = one.bot_id and p.id = one.id))
      from decision d`,
    fields: ([document]) => ({ document: JSON.parse(String(document)) as ReplayDocument }),
  }),
)

/**
 * Returns a decision with everything that led to it and came of it, in one round trip.
 *
 * What was known is as it was: the snapshot holds copies. What came of it is as it stands now.
 *
 * @throws `not_found` if the bot made no such decision.
 * @throws `invalid_input` naming the field.
 */
export async function replayDecision(db: Database, input: ReplayDecisionInput): Promise<DecisionReplay> {
  const key = { botId: toBotId(input.botId), decisionId: toUuid(input.decisionId, 'decisionId') }
  const row = only('replayDecision', await replay.run(db, key))
  return readReplay(found(`decision '${key.decisionId}' of bot '${key.botId}'`, row).document)
}
