import { sql } from 'drizzle-orm'
import { readNow, toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { Decimal, divide, readStored } from '../db/decimal.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { outcomesOf } from './decision-outcomes.ts'
import { readMembers } from './performance-days.ts'
import { readTimeRange, type TimeRange } from './ranges.ts'
import type { Scope } from './scope.ts'

/** What was paid in one currency. */
export interface LlmCost {
  readonly currency: string
  /** Exact. */
  readonly cost: Decimal
  /** Cost / decisions that used the model, rounded to 40 decimals. Null of none. */
  readonly costPerDecision: Decimal | null
}

/** What a language model cost, and what the decisions made on it earned. */
export interface LlmCosts {
  readonly model: string
  /** Null of the whole period. */
  readonly day: string | null
  readonly callCount: number
  /** Calls that were answered from a cache. */
  readonly cachedCount: number
  /** Calls that failed or timed out. */
  readonly errorCount: number
  /** Σ of the calls that tell. Null where none does, as are the two below. */
  readonly promptTokens: number | null
  readonly completionTokens: number | null
  readonly totalTokens: number | null
  /** By currency. Empty where no call tells. */
  readonly costs: readonly LlmCost[]
  /** Calls of unknown cost: they are in no sum. */
  readonly unpricedCount: number
  /** Of the calls that were not answered from a cache and tell. Null of none, as is the next. */
  readonly latencyP50Ms: number | null
  readonly latencyP95Ms: number | null
  /** Decisions that used an analysis of these calls, each once. */
  readonly decisionCount: number
  /** Of them, those all of whose trades are closed and of known net. */
  readonly outcomeCount: number
  /** Σ net of these in base currency. Exact. A decision made on two models counts whole for each, so models do not add up to what was earned. */
  readonly netPnl: Decimal
}

export interface LlmCostReport {
  readonly baseCurrency: string
  readonly timeZone: string
  /** Per model and day, by day and then by name; days without a call are left out. */
  readonly days: readonly LlmCosts[]
  /** Per model over the whole period, by name. */
  readonly models: readonly LlmCosts[]
}

export type GetLlmCostsInput = Scope &
  /** Of when a model was asked. */
  TimeRange & {
    /** Whose days, as `Europe/Berlin`. UTC unless given. */
    readonly timeZone?: string | undefined
    /** Trades of other currencies that were closed on the day in progress are converted at the rates of then. Now, unless given. */
    readonly now?: Date | undefined
  }

type Slot = 'botIds' | 'from' | 'to' | 'now' | 'timeZone'

interface CostRow {
  readonly model: string
  readonly day: string | null
  readonly figures: readonly unknown[]
}

const costsStatement: PreparedStatement<CostRow, Slot> = sqlStatement('getLlmCosts', (slot) => {
  return {
    query: sql`
      with calls as materialized (
        select l.bot_id, l.id, l.model, (l.analysed_at at time zone ${slot('timeZone')})::date as day, l.cached or l.status = 'cached' as is_cached, l.status,
          l.prompt_tokens, l.completion_tokens, l.total_tokens, l.cost, l.cost_currency, l.latency_ms
        from analysis.llm_analyses l
        where l.bot_id = any(${slot('botIds')}::text[]) and l.analysed_at >= coalesce(${slot('from')}::timestamptz, '-infinity')
          and l.analysed_at < coalesce(${slot('to')}::timestamptz, 'infinity')),
      cited as materialized (
        select distinct c.model, c.day, e.bot_id, e.decision_id
        from calls c join analysis.decision_evidence e on e.bot_id = c.bot_id and e.llm_analysis_id = c.id),
      decided as materialized (select distinct bot_id, decision_id as id from cited),
      ${outcomesOf(slot)},
      used as (
        select c.*, o.net from cited c left join outcomes o on o.bot_id = c.bot_id and o.decision_id = c.decision_id),
      earned as (
        select model, day, count(*) as decisions, count(net) as known, coalesce(sum(net), 0) as net from used group by model, day
        union all
        select model, null, count(*), count(net), coalesce(sum(net), 0) from (select distinct model, bot_id, decision_id, net from used) whole group by model),
      spent as (
        select model, day, jsonb_agg(jsonb_build_object('currency', cost_currency, 'cost', cost::text) order by cost_currency) as costs
        from (
          select model, day, cost_currency, sum(cost) as cost from calls where cost is not null
          group by grouping sets ((model, day, cost_currency), (model, cost_currency))) sums
        group by model, day),
      summed as (
        select model, day, count(*) as calls, count(*) filter (where is_cached) as cached, count(*) filter (where status in ('error', 'timeout')) as errors,
          sum(prompt_tokens) as prompt_tokens, sum(completion_tokens) as completion_tokens, sum(total_tokens) as total_tokens,
          count(*) filter (where cost is null) as unpriced,
          percentile_cont(0.5) within group (order by latency_ms) filter (where not is_cached) as p50,
          percentile_cont(0.95) within group (order by latency_ms) filter (where not is_cached) as p95
        from calls group by grouping sets ((model, day), (model)))
      select s.model, to_char(s.day, 'YYYY-MM-DD'), s.calls::integer, s.cached::integer, s.errors::integer, s.prompt_tokens::float8, s.completion_tokens::float8,
        s.total_tokens::float8, s.unpriced::integer, s.p50, s.p95, coalesce(e.decisions, 0)::integer, coalesce(e.known, 0)::integer,
        coalesce(e.net, 0)::text, p.costs::text
      from summed s
      left join earned e on e.model = s.model and e.day is not distinct from s.day
      left join spent p on p.model = s.model and p.day is not distinct from s.day
      order by s.day, s.model collate "C"`,
    fields: ([model, day, ...figures]): CostRow => ({
      model: model as string,
      day: day as string | null,
      figures,
    }),
  }
})

/**
 * Returns what language models cost a bot, or a fleet, per model and day, and what came of the decisions that used them; of the calls made from `from` on and before `to`.
 *
 * @throws `not_found` if the bot is not registered, or no bot is in the fleet.
 * @throws `invalid_input` naming the field, also of an unknown time zone.
 */
export async function getLlmCosts(db: Database, input: GetLlmCostsInput): Promise<LlmCostReport> {
  const { from, to } = readTimeRange(input)
  const timeZone = input.timeZone === undefined ? 'UTC' : toName(input.timeZone, 'timeZone')
  const now = readNow(input.now)
  const { botIds, baseCurrency } = await readMembers(db, input)
  const rows = await costsStatement.run(db, {
    ...{ botIds, now, timeZone },
    ...{ from: from?.toISOString() ?? null, to: to?.toISOString() ?? null },
  })
  const all = rows.map(toCosts)
  return {
    baseCurrency,
    timeZone,
    days: all.filter(({ day }) => day !== null),
    models: all.filter(({ day }) => day === null),
  }
}

function toCosts({ model, day, figures }: CostRow): LlmCosts {
  const [callCount, cachedCount, errorCount] = figures as [number, number, number]
  const [promptTokens, completionTokens, totalTokens] = figures.slice(3) as (number | null)[]
  const [unpricedCount, latencyP50Ms, latencyP95Ms, decisionCount, outcomeCount] = figures.slice(6) as [
    number,
    number | null,
    number | null,
    number,
    number,
  ]
  const costs = JSON.parse((figures[12] as string | null) ?? '[]') as { currency: string; cost: string }[]
  return {
    ...{ model, day, callCount, cachedCount, errorCount },
    ...{ promptTokens: promptTokens ?? null, completionTokens: completionTokens ?? null },
    ...{ totalTokens: totalTokens ?? null, unpricedCount, latencyP50Ms, latencyP95Ms },
    ...{ decisionCount, outcomeCount, netPnl: readStored(figures[11] as string) },
    costs: costs.map(({ currency, cost }) => toCost(currency, readStored(cost), decisionCount)),
  }
}

function toCost(currency: string, cost: Decimal, decisionCount: number): LlmCost {
  const costPerDecision = decisionCount === 0 ? null : divide(cost, new Decimal(decisionCount))
  return { currency, cost, costPerDecision }
}
