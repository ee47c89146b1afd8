import { sql } from 'drizzle-orm'
import { toInstant } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { Decimal, divide, ZERO } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { toBotId } from '../fleet/bots.ts'
import { opportunities } from './schema/opportunities.ts'
import { OPPORTUNITY_KINDS, type OpportunityKind } from './schema/values.ts'

/** What opportunities earned in one currency. Amounts of two currencies are never added. */
export interface ArbitrageProfit {
  readonly currency: string
  /** The net profit that all of them promised. */
  readonly expected: Decimal
  /** The net profit promised by those whose profit is known by now: what `realised` is to be held against. */
  readonly expectedOfRealised: Decimal
  /** What their executions brought, after fees and gas; negative for a loss. */
  readonly realised: Decimal
  /** Failed executions that nobody knows the cost of: `realised` is without them. */
  readonly unknown: number
}

export interface ArbitrageFigures {
  /** Opportunities, and what became of them. */
  readonly detected: number
  readonly open: number
  readonly executing: number
  readonly executed: number
  readonly failed: number
  readonly expired: number
  /** Executions that ended, by how. */
  readonly successes: number
  readonly partials: number
  readonly failures: number
  /** Successes of all executions that ended; null if none did. */
  readonly successRate: Decimal | null
  /** Of `(sell − buy) / buy`, before fees and gas; null without any opportunity. */
  readonly meanProfitFraction: Decimal | null
  readonly bestProfitFraction: Decimal | null
  /** By currency, in the order of their names. */
  readonly profits: readonly ArbitrageProfit[]
}

export interface ArbitrageStatistics extends ArbitrageFigures {
  /** Only the kinds that there were, in the order of `OPPORTUNITY_KINDS`. */
  readonly byKind: readonly (ArbitrageFigures & { readonly kind: OpportunityKind })[]
}

export interface GetArbitrageStatisticsInput {
  readonly botId: string
  /** The first moment, and the moment after the last, that opportunities were detected at. */
  readonly from: Date
  readonly until: Date
}

const COUNTS = [
  'detected',
  'open',
  'executing',
  'executed',
  'failed',
  'expired',
  'successes',
  'partials',
  'failures',
  'unknown',
] as const
type Counts = Record<(typeof COUNTS)[number], number>

interface Group extends Counts {
  readonly kind: OpportunityKind
  readonly currency: string
  readonly fractions: Decimal
  readonly best: Decimal
  readonly expected: Decimal
  readonly expectedOfRealised: Decimal
  readonly realised: Decimal
}

const amount = opportunities.netProfit
const count = sql<number>`count`

const statement: PreparedStatement<Group, 'botId' | 'from' | 'until'> = sqlStatement(
  'getArbitrageStatistics',
  (slot) => ({
    query: sql`
      select o.kind, o.currency, count(*)::integer,
        ${sql.raw(
          ['open', 'executing', 'executed', 'failed', 'expired']
            .map((status) => `(count(*) filter (where o.status = '${status}'))::integer`)
            .join(', '),
        )},
        ${sql.raw(
          ['success', 'partial', 'failed']
            .map((status) => `(count(*) filter (where e.status = '${status}'))::integer`)
            .join(', '),
        )},
        (count(*) filter (where e.status = 'failed' and e.profit is null))::integer,
        sum(o.profit_fraction), max(o.profit_fraction), sum(o.net_profit),
        coalesce(sum(o.net_profit) filter (where e.profit is not null), 0), coalesce(sum(e.profit), 0)
      from arbitrage.opportunities o
      left join arbitrage.executions e on e.bot_id = o.bot_id and e.id = o.execution_id
      where o.bot_id = ${slot('botId')} and o.detected_at >= ${slot('from')}::timestamptz(3)
        and o.detected_at < ${slot('until')}::timestamptz(3)
      group by o.kind, o.currency`,
    fields: {
      kind: opportunities.kind,
      currency: opportunities.currency,
      ...Object.fromEntries(COUNTS.map((key) => [key, count])),
      fractions: amount,
      best: amount,
      expected: amount,
      expectedOfRealised: amount,
      realised: amount,
    },
  }),
)

/**
 * Returns what became of the opportunities that a bot detected in a period, in all and by kind: sums are exact, and nothing is added across
 * currencies.
 *
 * @throws `invalid_input` naming the field, also if `until` is not after `from`.
 */
export async function getArbitrageStatistics(
  db: Database,
  input: GetArbitrageStatisticsInput,
): Promise<ArbitrageStatistics> {
  const [from, until] = [toInstant(input.from, 'from'), toInstant(input.until, 'until')]
  if (until <= from) {
    throw new DataError('invalid_input', `until ${until.toISOString()} is not after ${from.toISOString()}`, {
      field: 'until',
    })
  }
  const botId = toBotId(input.botId)
  const groups = await statement.run(db, { botId, from: from.toISOString(), until: until.toISOString() })
  const byKind = OPPORTUNITY_KINDS.map((kind) => ({ kind, own: groups.filter((one) => one.kind === kind) }))
  return {
    ...figuresOf(groups),
    byKind: byKind.filter(({ own }) => own.length > 0).map(({ kind, own }) => ({ kind, ...figuresOf(own) })),
  }
}

function figuresOf(groups: readonly Group[]): ArbitrageFigures {
  const total = (key: keyof Counts) => groups.reduce((sum, group) => sum + group[key], 0)
  const detected = total('detected')
  const [successes, partials, failures] = [total('successes'), total('partials'), total('failures')]
  const finished = successes + partials + failures
  const quotient = (part: Decimal, of: number) => (of === 0 ? null : divide(part, new Decimal(of)))
  return {
    detected,
    open: total('open'),
    executing: total('executing'),
    executed: total('executed'),
    failed: total('failed'),
    expired: total('expired'),
    successes,
    partials,
    failures,
    successRate: quotient(new Decimal(successes), finished),
    meanProfitFraction: quotient(sumOf(groups, 'fractions'), detected),
    bestProfitFraction: detected === 0 ? null : Decimal.max(...groups.map((group) => group.best)),
    profits: profitsOf(groups),
  }
}

function profitsOf(groups: readonly Group[]): ArbitrageProfit[] {
  const currencies = [...new Set(groups.map((group) => group.currency))].sort()
  return currencies.map((currency) => {
    const own = groups.filter((group) => group.currency === currency)
    return {
      currency,
      expected: sumOf(own, 'expected'),
      expectedOfRealised: sumOf(own, 'expectedOfRealised'),
      realised: sumOf(own, 'realised'),
      unknown: own.reduce((sum, group) => sum + group.unknown, 0),
    }
  })
}

type Amounts = 'fractions' | 'expected' | 'expectedOfRealised' | 'realised'

function sumOf(groups: readonly Group[], key: Amounts): Decimal {
  return groups.reduce((sum, group) => sum.plus(group[key]), ZERO)
}
