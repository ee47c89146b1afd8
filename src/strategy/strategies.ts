import { and, eq, getTableColumns, gt } from 'drizzle-orm'
import { toLabel, toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, toDecimal } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { toUuid } from '../db/input.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { many, maybeOne, one } from '../db/rows.ts'
import { toExpectedVersion } from '../fleet/documents.ts'
import { toArray } from '../market/record-values.ts'
import { differing, optional, recordsOnce } from './record-once.ts'
import type { ForbiddenConditions, RiskCaps, SessionWindow } from './schema/rules.ts'
import { strategies } from './schema/strategies.ts'
import { STRATEGY_STATUSES, type StrategyDocument, type StrategyStatus } from './schema/values.ts'

export type Strategy = typeof strategies.$inferSelect

/** What a strategy does, and what it may. Amounts inside documents are decimal text. */
export interface StrategyRules {
  /** What sort of strategy it is, in the fleet's own words: `grid`, `momentum`. */
  readonly kind: string
  readonly description?: string | null | undefined
  readonly parameters?: StrategyDocument | undefined
  readonly configuration?: StrategyDocument | undefined
  readonly metadata?: StrategyDocument | undefined
  /** Null for any symbol, which is so unless said otherwise. An empty list allows none. */
  readonly allowedSymbols?: readonly string[] | null | undefined
  /** When it trades; empty, as it is unless said otherwise, is always. */
  readonly sessionWindows?: readonly SessionWindow[] | undefined
  readonly entryConditions?: StrategyDocument | undefined
  readonly exitRules?: StrategyDocument | undefined
  readonly forbiddenConditions?: ForbiddenConditions | undefined
  readonly riskCaps?: RiskCaps | undefined
  /** What it expects to earn for each unit risked: '2' is two to one. Positive. */
  readonly rewardToRisk?: Amount | null | undefined
  /** Of equity, at risk in one position: '0.01' is one per cent. More than 0, up to 1. */
  readonly maxRiskFraction?: Amount | null | undefined
  /** Its share of the fleet's capital while it is active, 0 to 1: '0.25' is a quarter. 0 unless said otherwise. */
  readonly allocation?: Amount | undefined
}

export interface CreateStrategyInput extends StrategyRules {
  /** A UUID of the caller's, which makes it safe to repeat. Made here if left out. */
  readonly id?: string | undefined
  readonly name: string
  /** Who creates it: a person or a program. */
  readonly changedBy: string
  readonly reason?: string | undefined
}

const createOnce = recordsOnce('createStrategy', strategies, [strategies.id])

/**
 * Creates a strategy as a draft and returns it. Safe to repeat with an `id`: the same again changes nothing.
 *
 * @throws `conflict` if there is another one of this name, or the id is taken by one with other rules.
 * @throws `invalid_input` naming the field.
 */
export async function createStrategy(db: Database, input: CreateStrategyInput): Promise<Strategy> {
  const id = input.id === undefined ? newId() : toUuid(input.id, 'id')
  const { row } = await createOnce(
    db,
    {
      id,
      name: toName(input.name, 'name'),
      ...readRules(input),
      changedBy: toName(input.changedBy, 'changedBy'),
      reason: optional(input.reason, 'reason', toName),
    },
    `strategy '${id}'`,
  )
  return row
}

function readRules(input: Partial<StrategyRules>) {
  return {
    kind: input.kind === undefined ? undefined : toName(input.kind, 'kind'),
    description: optional(input.description, 'description', toLabel),
    parameters: input.parameters,
    configuration: input.configuration,
    metadata: input.metadata,
    allowedSymbols: optional(input.allowedSymbols, 'allowedSymbols', toSymbols),
    sessionWindows: optional(input.sessionWindows, 'sessionWindows', (windows) => [...windows]) ?? undefined,
    entryConditions: input.entryConditions,
    exitRules: input.exitRules,
    forbiddenConditions: input.forbiddenConditions,
    riskCaps: input.riskCaps,
    rewardToRisk: optional(input.rewardToRisk, 'rewardToRisk', toDecimal),
    maxRiskFraction: optional(input.maxRiskFraction, 'maxRiskFraction', toDecimal),
    allocation: input.allocation === undefined ? undefined : toDecimal(input.allocation, 'allocation'),
  }
}

/** Reads a list of symbols, each once. @throws `invalid_input` naming `field`. */
export function toSymbols(symbols: readonly string[], field: string): string[] {
  return [...new Set(toArray(symbols, field).map((symbol, i) => toName(symbol, `${field}[${i}]`)))]
}

/** Returns the strategy. @throws `not_found` if there is none of this id. */
export async function getStrategy(db: Database, input: Pick<Strategy, 'id'>): Promise<Strategy> {
  const id = toUuid(input.id, 'id')
  return one('getStrategy', `strategy '${id}'`, db.select().from(strategies).where(eq(strategies.id, id)))
}

/** Returns the strategy of this name, or undefined. */
export async function findStrategy(
  db: Database,
  input: Pick<Strategy, 'name'>,
): Promise<Strategy | undefined> {
  const name = toName(input.name, 'name')
  return maybeOne('findStrategy', db.select().from(strategies).where(eq(strategies.name, name)))
}

export interface ListStrategiesInput extends PageInput<Pick<Strategy, 'name'>> {
  /** All if left out. */
  readonly status?: StrategyStatus | undefined
}

/** Returns the strategies in the order of their names, also those that are archived or replaced. */
export async function listStrategies(db: Database, input: ListStrategiesInput = {}): Promise<Strategy[]> {
  const { status, after } = input
  return many(
    'listStrategies',
    db
      .select()
      .from(strategies)
      .where(
        and(
          status && eq(strategies.status, toOneOf(status, STRATEGY_STATUSES, 'status')),
          after && gt(strategies.name, toName(after.name, 'after.name')),
        ),
      )
      .orderBy(strategies.name)
      .limit(readLimit(input.limit)),
  )
}

export interface UpdateStrategyInput extends Partial<StrategyRules> {
  readonly id: string
  readonly name?: string | undefined
  /** The version that the caller has seen. */
  readonly expectedVersion: number
  readonly changedBy: string
  readonly reason?: string | undefined
}

/**
 * Changes the rules of a strategy and returns it. What is left out stays; each document is replaced whole. Safe to repeat: if
 * all is so already, nothing changes, its version included.
 *
 * @throws `conflict` if its version is not the expected one, or its new name is taken.
 * @throws `invalid_transition` if it is archived or replaced.
 * @throws `invalid_input` naming the field, also if the allocation of an active one does not fit beside the others.
 * @throws `not_found`.
 */
export async function updateStrategy(db: Database, input: UpdateStrategyInput): Promise<Strategy> {
  const id = toUuid(input.id, 'id')
  const expected = toExpectedVersion(input.expectedVersion) ?? 0
  const rules = {
    name: input.name === undefined ? undefined : toName(input.name, 'name'),
    ...readRules(input),
  }
  const changedBy = toName(input.changedBy, 'changedBy')
  const reason = input.reason === undefined ? null : toName(input.reason, 'reason')
  const written = await maybeOne(
    'updateStrategy',
    db
      .update(strategies)
      .set({ ...withoutUndefined(rules), changedBy, reason })
      .where(and(eq(strategies.id, id), eq(strategies.version, expected)))
      .returning(getTableColumns(strategies)),
  )
  if (written) return written
  const stored = await getStrategy(db, { id })
  if (differing(strategies, rules, stored).length === 0) return stored
  throw new DataError(
    'conflict',
    `strategy '${stored.name}' has version ${stored.version}, not ${expected}`,
    {
      field: 'expectedVersion',
    },
  )
}

function withoutUndefined<Row extends object>(
  row: Row,
): { [Key in keyof Row]?: Exclude<Row[Key], undefined> } {
  const given = Object.entries(row).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given) as { [Key in keyof Row]?: Exclude<Row[Key], undefined> }
}
