import { and, desc, eq, getTableColumns, gte, lt, type SQL, sql } from 'drizzle-orm'
import { readNow, toInstant, toLabel, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, Decimal, toDecimal, toPositive, ZERO } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { optional, toUuid } from '../db/input.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { many, maybeOne, one } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { toBotId } from '../fleet/bots.ts'
import { toKey } from '../market/record-values.ts'
import type { TimePageInput } from '../market/value-reads.ts'
import { recordOnce, toDetails, toLegs, toLifetime } from './record-once.ts'
import { opportunities } from './schema/opportunities.ts'
import {
  type ArbitrageDetails,
  type ArbitrageLeg,
  OPPORTUNITY_KINDS,
  OPPORTUNITY_STATUSES,
  type OpportunityKind,
  type OpportunityStatus,
} from './schema/values.ts'

export type Opportunity = typeof opportunities.$inferSelect

export interface RecordOpportunityInput {
  readonly botId: string
  /** A UUID of the caller's, which makes it safe to repeat. A new one if left out. */
  readonly id?: string | undefined
  readonly kind: OpportunityKind
  /** Two currencies, as `WETH/USDC`: base and quote. */
  readonly pair: string
  /** An exchange or a DEX. */
  readonly buyExchange: string
  /** Left out at an exchange that is on no chain. */
  readonly buyChain?: string | undefined
  readonly sellExchange: string
  readonly sellChain?: string | undefined
  /** Quote currency per unit of base currency. Positive. */
  readonly buyPrice: Amount
  readonly sellPrice: Amount
  /** In base currency. Positive. */
  readonly quantity: Amount
  /** What both prices, the fees, the gas and the profit are counted in. */
  readonly currency: string
  /** All fees of all legs, in `currency`; negative if rebates outweigh them. Zero unless given. */
  readonly fees?: Amount | undefined
  /** In `currency`. Zero unless given. */
  readonly gasCost?: Amount | undefined
  /** The trades that it takes, in their order. */
  readonly legs?: readonly ArbitrageLeg[] | undefined
  /** Any JSON, with amounts as decimal text. */
  readonly details?: ArbitrageDetails | undefined
  /** The database's clock if left out. */
  readonly detectedAt?: Date | undefined
  /** From then on it is not executed. Left out if nobody knows when. */
  readonly expiresAt?: Date | undefined
}

export const NOW_MS = sql`date_trunc('milliseconds', clock_timestamp())`

/**
 * Stores an opportunity and returns it, with its profit: `(sell − buy) · quantity`, less fees and gas, to the last digit.
 *
 * Safe to repeat with an `id`: the same opportunity returns the row that is stored, whatever has become of it.
 *
 * @throws `conflict` naming the fields if the stored one of this id has other content.
 * @throws `missing_reference` if the bot is not registered.
 * @throws `invalid_input` naming the field, also for chains that do not fit the kind.
 */
export async function recordOpportunity(db: Database, input: RecordOpportunityInput): Promise<Opportunity> {
  const kind = toOneOf(input.kind, OPPORTUNITY_KINDS, 'kind')
  const { detectedAt, expiresAt } = toLifetime(input.detectedAt, input.expiresAt)
  const content = {
    kind,
    pair: toKey(input.pair, 'pair'),
    buyExchange: toKey(input.buyExchange, 'buyExchange'),
    sellExchange: toKey(input.sellExchange, 'sellExchange'),
    ...toChains(kind, input),
    buyPrice: toPositive(input.buyPrice, 'buyPrice'),
    sellPrice: toPositive(input.sellPrice, 'sellPrice'),
    quantity: toPositive(input.quantity, 'quantity'),
    currency: toKey(input.currency, 'currency'),
    fees: input.fees === undefined ? ZERO : toDecimal(input.fees, 'fees'),
    gasCost: input.gasCost === undefined ? ZERO : toDecimal(input.gasCost, 'gasCost'),
    legs: toLegs(input.legs ?? [], 'legs', opportunities.legs),
    details: toDetails(input.details),
    expiresAt,
  }
  const [botId, id] = [toBotId(input.botId), toRowId(input.id)]
  return await recordOnce<Opportunity>({
    what: `opportunity '${id}'`,
    insert: () =>
      maybeOne(
        'recordOpportunity',
        db
          .insert(opportunities)
          .values({ botId, id, ...content, detectedAt: detectedAt ?? NOW_MS })
          .onConflictDoNothing()
          .returning(),
      ),
    find: () =>
      maybeOne(
        'recordOpportunity: stored',
        db
          .select()
          .from(opportunities)
          .where(and(eq(opportunities.botId, botId), eq(opportunities.id, id))),
      ),
    isLate: input.id !== undefined && detectedAt === undefined && expiresAt !== null,
    content: { ...content, detectedAt },
  })
}

/** Reads the id of a new row. @throws `invalid_input` naming `id` if it is not a UUID. */
export function toRowId(id: string | undefined): string {
  return id === undefined ? newId() : toUuid(id, 'id')
}

type Chains = Pick<Opportunity, 'buyChain' | 'sellChain'>

const CHAIN_RULES: Readonly<Record<OpportunityKind, (chains: Chains) => string | false>> = {
  cex_dex: ({ buyChain, sellChain }) =>
    (buyChain === null) === (sellChain === null) && 'one side on a chain and one on none',
  intra_chain: ({ buyChain, sellChain }) =>
    (buyChain === null || buyChain !== sellChain) && 'both sides on one chain',
  cross_chain: ({ buyChain, sellChain }) =>
    (buyChain === null || sellChain === null || buyChain === sellChain) && 'its sides on two chains',
  triangular: ({ buyChain, sellChain }) => buyChain !== sellChain && 'both sides on one chain, or on none',
}

function toChains(kind: OpportunityKind, input: RecordOpportunityInput): Chains {
  const chains = {
    buyChain: optional(input.buyChain, 'buyChain', toKey),
    sellChain: optional(input.sellChain, 'sellChain', toKey),
  }
  const needs = CHAIN_RULES[kind](chains)
  if (needs === false) return chains
  throw new DataError(
    'invalid_input',
    `a ${kind} opportunity has ${needs}, not '${chains.buyChain ?? 'none'}' and '${chains.sellChain ?? 'none'}'`,
    { field: 'buyChain' },
  )
}

export interface OpportunityKey {
  readonly botId: string
  readonly opportunityId: string
}

/** Returns an opportunity of a bot. @throws `not_found` if there is none of that id. */
export async function getOpportunity(db: Database, input: OpportunityKey): Promise<Opportunity> {
  const botId = toBotId(input.botId)
  const id = toUuid(input.opportunityId, 'opportunityId')
  return await one(
    'getOpportunity',
    `opportunity '${id}'`,
    db
      .select()
      .from(opportunities)
      .where(and(eq(opportunities.botId, botId), eq(opportunities.id, id))),
  )
}

/** A span of `detectedAt`. */
export interface ListOpportunitiesInput extends TimePageInput<Pick<Opportunity, 'detectedAt' | 'id'>> {
  readonly botId: string
  readonly status?: OpportunityStatus | undefined
  readonly kind?: OpportunityKind | undefined
}

/** Returns the opportunities of a bot, newest first. @throws `invalid_input` naming the field. */
export async function listOpportunities(db: Database, input: ListOpportunitiesInput): Promise<Opportunity[]> {
  const { status, kind, from, until, after } = input
  const { detectedAt, id } = opportunities
  return await many(
    'listOpportunities',
    db
      .select()
      .from(opportunities)
      .where(
        and(
          eq(opportunities.botId, toBotId(input.botId)),
          status && eq(opportunities.status, toOneOf(status, OPPORTUNITY_STATUSES, 'status')),
          kind && eq(opportunities.kind, toOneOf(kind, OPPORTUNITY_KINDS, 'kind')),
          from && gte(detectedAt, toInstant(from, 'from')),
          until && lt(detectedAt, toInstant(until, 'until')),
          comesAfter(
            detectedAt,
            id,
            after && {
              at: toInstant(after.detectedAt, 'after.detectedAt'),
              id: toUuid(after.id, 'after.id'),
            },
          ),
        ),
      )
      .orderBy(desc(detectedAt), desc(id))
      .limit(readLimit(input.limit)),
  )
}

export interface ListBestOpportunitiesInput extends PageInput<Pick<Opportunity, 'netProfit' | 'id'>> {
  readonly botId: string
  /** What the profit is counted in: amounts of two currencies cannot be compared. */
  readonly currency: string
  /** The least net profit, in `currency`. Any if left out. */
  readonly minimumNetProfit?: Amount | undefined
  /** What has expired by then is left out. The database's clock unless said otherwise. */
  readonly now?: Date | undefined
}

/** Returns the opportunities of a bot that can still be taken, greatest net profit first. @throws `invalid_input` naming the field. */
export async function listBestOpportunities(
  db: Database,
  input: ListBestOpportunitiesInput,
): Promise<Opportunity[]> {
  const { minimumNetProfit, after } = input
  const { netProfit, id } = opportunities
  const now = clock(sql`${readNow(input.now)}`)
  return await many(
    'listBestOpportunities',
    db
      .select()
      .from(opportunities)
      .where(
        and(
          eq(opportunities.botId, toBotId(input.botId)),
          eq(opportunities.currency, toKey(input.currency, 'currency')),
          sql`${opportunities.status} = 'open'`,
          sql`(${opportunities.expiresAt} is null or ${opportunities.expiresAt} > ${now})`,
          minimumNetProfit === undefined
            ? undefined
            : gte(netProfit, toDecimal(minimumNetProfit, 'minimumNetProfit')),
          after &&
            sql`(${netProfit}, ${id}) < (${toCursorAmount(after.netProfit)}::numeric, ${toUuid(after.id, 'after.id')}::uuid)`,
        ),
      )
      .orderBy(desc(netProfit), desc(id))
      .limit(readLimit(input.limit)),
  )
}

/** A derived amount has more digits than a caller may give. */
function toCursorAmount(amount: Decimal): string {
  if (Decimal.isDecimal(amount) && amount.isFinite()) return amount.toFixed()
  throw new DataError('invalid_input', `after.netProfit is ${typeof amount}, not a Decimal`, {
    field: 'after.netProfit',
  })
}

const clock = (now: SQL) => sql`coalesce(${now}::timestamptz(3), clock_timestamp()::timestamptz(3))`

export interface ExpireOpportunitiesInput extends Pick<PageInput<never>, 'limit'> {
  readonly botId: string
  /** The database's clock if left out. */
  readonly now?: Date | undefined
}

const opportunityColumns = getTableColumns(opportunities)

const expireStatement: PreparedStatement<Opportunity, 'botId' | 'now' | 'limit'> = sqlStatement(
  'expireOpportunities',
  (slot) => ({
    query: sql`
      with past as materialized (
        select bot_id, id from arbitrage.opportunities
        where bot_id = ${slot('botId')} and status = 'open' and expires_at <= ${clock(slot('now'))}
        order by expires_at limit ${slot('limit')} for no key update skip locked)
      update arbitrage.opportunities o set status = 'expired' from past p
      where o.bot_id = p.bot_id and o.id = p.id and o.status = 'open'
      returning ${sql.raw(
        Object.values(opportunityColumns)
          .map((column) => `o.${column.name}`)
          .join(', '),
      )}`,
    fields: opportunityColumns,
  }),
)

/**
 * Marks the open opportunities of a bot whose time has passed as expired, those that ended first first, and returns them: 100 at most unless
 * said otherwise. Call it again until none is left. They could not be executed anyway; it keeps what is open short.
 *
 * @throws `invalid_input` naming the field.
 */
export async function expireOpportunities(
  db: Database,
  input: ExpireOpportunitiesInput,
): Promise<Opportunity[]> {
  return await expireStatement.run(db, {
    botId: toLabel(toBotId(input.botId), 'botId'),
    now: readNow(input.now),
    limit: readLimit(input.limit),
  })
}
