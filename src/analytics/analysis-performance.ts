import { type SQL, sql } from 'drizzle-orm'
import { EVIDENCE_SOURCES, type EvidenceSource } from '../analysis/schema/values.ts'
import { readNow, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Decimal, readStored } from '../db/decimal.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import {
  CALIBRATION_BANDS,
  type Calibration,
  calibrate,
  type ForecastTally,
} from '../statistics/calibration.ts'
import { isSmallSample } from '../statistics/returns.ts'
import { decidedIn, outcomesOf } from './decision-outcomes.ts'
import { readMembers } from './performance-days.ts'
import { readTimeRange, type TimeRange } from './ranges.ts'
import type { Scope } from './scope.ts'

export const ANALYSIS_GROUPS = ['source', 'model', 'confidence_band', 'symbol'] as const
export type AnalysisGroup = (typeof ANALYSIS_GROUPS)[number]

/**
 * How often evidence of one kind was right, and what the decisions made on it earned.
 *
 * Evidence was right where it pointed the way in which the trade would have won: bullish of a long that won or a short that lost, bearish of a short that won or
 * a long that lost. What was neutral, and what came to a draw, was neither.
 */
export interface AnalysisPerformance {
  /** A source, a model or its version, a band such as `0.7 to 0.8`, or a symbol; null of evidence without a confidence. */
  readonly group: string | null
  /** Null by confidence band and by symbol. */
  readonly source: EvidenceSource | null
  /** Decisions that used it, each once. */
  readonly decisionCount: number
  /** Of them, those all of whose trades are closed and of known net. */
  readonly outcomeCount: number
  readonly winCount: number
  readonly lossCount: number
  /** Of exactly zero net. */
  readonly drawCount: number
  /** Σ net of the decisions with an outcome, each once, in base currency. Exact. Decisions made on several kinds of evidence count whole for each. */
  readonly netPnl: Decimal
  /** Pieces of evidence: a decision may have several of a kind. */
  readonly evidenceCount: number
  /** Of the pieces whose decision came to a win or a loss. */
  readonly rightCount: number
  readonly wrongCount: number
  /** Pieces that pointed nowhere. */
  readonly neutralCount: number
  /** Right / (right + wrong). Null of none. */
  readonly accuracy: number | null
  /** Of all pieces that have one, 0 to 1. Null of none. */
  readonly meanConfidence: number | null
  /** Of the right and the wrong pieces that have a confidence. */
  readonly calibration: Calibration
  /** True below thirty pieces that were right or wrong. */
  readonly smallSample: boolean
}

export type GetAnalysisPerformanceInput = Scope &
  /** Of when it was decided. */
  TimeRange & {
    readonly by: AnalysisGroup
    /** Trades of other currencies that were closed on the day in progress are converted at the rates of then. Now, unless given. */
    readonly now?: Date | undefined
  }

type Slot = 'botIds' | 'from' | 'to' | 'now'

interface Group {
  readonly source: EvidenceSource | null
  readonly name: string | null
  readonly figures: readonly unknown[]
  readonly tallies: readonly ForecastTally[]
}

// As bandOf counts them. The least of nothing and 9 would be 9.
const BAND = sql.raw(
  `case when confidence is not null then least(floor(confidence * ${CALIBRATION_BANDS}), ${CALIBRATION_BANDS - 1}) end`,
)
/** `7` is `0.7 to 0.8`. */
const BAND_NAMES = new Map(
  Array.from({ length: CALIBRATION_BANDS }, (_, band) => [
    `${band}`,
    `${(band / CALIBRATION_BANDS).toFixed(1)} to ${((band + 1) / CALIBRATION_BANDS).toFixed(1)}`,
  ]),
)
const NONE = sql`null::text`

const GROUPS: Readonly<Record<AnalysisGroup, { source: SQL; name: SQL; where: SQL }>> = {
  source: { source: sql`source`, name: sql`source`, where: sql`true` },
  model: { source: sql`source`, name: sql`model`, where: sql`source in ('llm', 'model')` },
  confidence_band: { source: NONE, name: sql`(${BAND})::text`, where: sql`true` },
  symbol: { source: NONE, name: sql`symbol`, where: sql`true` },
}

function performanceStatement(by: AnalysisGroup): PreparedStatement<Group, Slot> {
  const { source, name, where } = GROUPS[by]
  return sqlStatement('getAnalysisPerformance', (slot) => ({
    query: sql`
      with ${decidedIn(slot)},
      ${outcomesOf(slot)},
      pieces as (
        select d.bot_id, d.id as decision_id, d.symbol, e.source, e.says, coalesce(t.confidence, l.confidence, m.confidence, s.confidence) as confidence,
          coalesce(l.model, m.model_version) as model, o.net, o.direction
        from decided d
        join analysis.decision_evidence e on e.bot_id = d.bot_id and e.decision_id = d.id
        left join outcomes o on o.bot_id = d.bot_id and o.decision_id = d.id
        left join analysis.technical_signals t on t.bot_id = e.bot_id and t.id = e.technical_signal_id
        left join analysis.llm_analyses l on l.bot_id = e.bot_id and l.id = e.llm_analysis_id
        left join analysis.ml_predictions m on m.bot_id = e.bot_id and m.id = e.ml_prediction_id
        left join strategy.signals s on s.bot_id = e.bot_id and s.id = e.signal_id),
      judged as materialized (
        select ${source} as part, ${name} as name, p.*,
          case when says = 'neutral' or net is null or net = 0 or direction is null then null
            else ((says = 'bullish') = (direction = 'long')) = (net > 0) end as is_right
        from pieces p where ${where}),
      per_decision as (
        select part, name, bot_id, decision_id, min(net) as net, count(*) as pieces, count(*) filter (where is_right) as right_pieces,
          count(*) filter (where not is_right) as wrong_pieces, count(*) filter (where says = 'neutral') as neutral_pieces,
          count(confidence) as confident_pieces, sum(confidence) as confidence
        from judged group by part, name, bot_id, decision_id),
      tallies as (
        select part, name, jsonb_agg(jsonb_build_object('band', band, 'count', pieces, 'rightCount', right_pieces,
          'confidenceSum', confidence, 'squaredErrorSum', squares)) as list
        from (
          select part, name, ${BAND}::integer as band, count(*) as pieces, count(*) filter (where is_right) as right_pieces,
            sum(confidence) as confidence, sum((confidence - is_right::integer) ^ 2) as squares
          from judged where is_right is not null and confidence is not null group by part, name, 3) banded
        group by part, name)
      select g.part, g.name, count(*)::integer, count(g.net)::integer, (count(*) filter (where g.net > 0))::integer,
        (count(*) filter (where g.net < 0))::integer, coalesce(sum(g.net), 0), sum(g.pieces)::integer, sum(g.right_pieces)::integer,
        sum(g.wrong_pieces)::integer, sum(g.neutral_pieces)::integer, sum(g.confidence) / nullif(sum(g.confident_pieces), 0),
        min(t.list::text)
      from per_decision g left join tallies t on t.part is not distinct from g.part and t.name is not distinct from g.name
      group by g.part, g.name`,
    fields: ([part, group, ...figures]): Group => ({
      source: part as EvidenceSource | null,
      name: group as string | null,
      figures,
      tallies: JSON.parse((figures.at(-1) as string | null) ?? '[]') as ForecastTally[],
    }),
  }))
}

const STATEMENTS: Readonly<Record<AnalysisGroup, PreparedStatement<Group, Slot>>> = {
  source: performanceStatement('source'),
  model: performanceStatement('model'),
  confidence_band: performanceStatement('confidence_band'),
  symbol: performanceStatement('symbol'),
}

/**
 * Returns how often the evidence of a bot's decisions was right, or of a fleet's, and what they earned, by kind of evidence; of the decisions made from `from` on and before
 * `to`.
 *
 * A decision has an outcome once every position that its orders opened is closed, and all that is of known net. Reads all evidence of the period.
 *
 * @throws `not_found` if the bot is not registered, or no bot is in the fleet.
 * @throws `invalid_input` naming the field.
 */
export async function getAnalysisPerformance(
  db: Database,
  input: GetAnalysisPerformanceInput,
): Promise<AnalysisPerformance[]> {
  const { from = null, to = null } = readTimeRange(input)
  const by = toOneOf(input.by, ANALYSIS_GROUPS, 'by')
  const now = readNow(input.now)
  const { botIds } = await readMembers(db, input)
  const bounds = { from: from?.toISOString() ?? null, to: to?.toISOString() ?? null }
  const groups = await STATEMENTS[by].run(db, { botIds, ...bounds, now })
  return inOrder(groups, by).map((group) => toPerformance(group, by))
}

function toPerformance({ source, name, figures, tallies }: Group, by: AnalysisGroup): AnalysisPerformance {
  const [decisionCount, outcomeCount, winCount, lossCount] = figures as number[] as [
    number,
    number,
    number,
    number,
  ]
  const [evidenceCount, rightCount, wrongCount, neutralCount] = figures.slice(5) as [
    number,
    number,
    number,
    number,
  ]
  const judged = rightCount + wrongCount
  return {
    group: by === 'confidence_band' && name !== null ? (BAND_NAMES.get(name) ?? name) : name,
    source,
    decisionCount,
    outcomeCount,
    winCount,
    lossCount,
    drawCount: outcomeCount - winCount - lossCount,
    netPnl: readStored(figures[4] as string),
    evidenceCount,
    rightCount,
    wrongCount,
    neutralCount,
    accuracy: judged === 0 ? null : rightCount / judged,
    meanConfidence: figures[9] as number | null,
    calibration: calibrate(tallies),
    smallSample: isSmallSample(judged),
  }
}

/** Sources as they are listed, bands from the lowest, all else by name; what has none comes last. */
function inOrder(groups: readonly Group[], by: AnalysisGroup): Group[] {
  const sourcePlace = ({ source }: Group) => (source === null ? 0 : EVIDENCE_SOURCES.indexOf(source))
  const compare = (a: string | null, b: string | null) =>
    a === b ? 0 : a === null ? 1 : b === null || a < b ? -1 : 1
  return by === 'source'
    ? groups.toSorted((a, b) => sourcePlace(a) - sourcePlace(b))
    : groups.toSorted((a, b) => sourcePlace(a) - sourcePlace(b) || compare(a.name, b.name))
}
