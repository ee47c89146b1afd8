import { desc, eq, lt } from 'drizzle-orm'
import { toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { Decimal } from '../db/decimal.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { many, one } from '../db/rows.ts'
import { toWhole } from '../market/record-values.ts'
import { activations, allocations } from './schema/strategies.ts'

/** What the active strategies have together. */
export interface StrategyAllocation {
  /** The sum of their allocations, 0 to 1. */
  readonly allocated: Decimal
  /** What is left of 1. */
  readonly available: Decimal
  readonly activeCount: number
  /** How many may be active; null for any number. */
  readonly maxActive: number | null
}

const ONE = new Decimal(1)

function allocationOf({
  allocated,
  activeCount,
  maxActive,
}: typeof allocations.$inferSelect): StrategyAllocation {
  return { allocated, available: ONE.minus(allocated), activeCount, maxActive }
}

/** Returns how much of the fleet's capital the active strategies have, and how many they are. */
export async function getStrategyAllocation(db: Database): Promise<StrategyAllocation> {
  return allocationOf(
    await one('getStrategyAllocation', 'the row of allocations', db.select().from(allocations)),
  )
}

export interface SetMaxActiveStrategiesInput {
  /** How many strategies may be active at once; null for any number. Those that are active stay so. */
  readonly maxActive: number | null
  readonly changedBy: string
  readonly reason?: string | undefined
}

/** Sets how many strategies may be active at once. Safe to repeat. @throws `invalid_input` naming the field. */
export async function setMaxActiveStrategies(
  db: Database,
  input: SetMaxActiveStrategiesInput,
): Promise<StrategyAllocation> {
  const { maxActive } = input
  const row = await one(
    'setMaxActiveStrategies',
    'the row of allocations',
    db
      .update(allocations)
      .set({
        maxActive: maxActive === null ? null : toWhole(maxActive, 'maxActive', 0, 1_000_000),
        changedBy: toName(input.changedBy, 'changedBy'),
        reason: input.reason === undefined ? null : toName(input.reason, 'reason'),
      })
      .where(eq(allocations.id, true))
      .returning(),
  )
  return allocationOf(row)
}

/** One time that strategies began or ceased to be active, as the database wrote it down. */
export type StrategyActivation = typeof activations.$inferSelect

/** Returns when strategies began or ceased to be active, newest first. */
export async function listStrategyActivations(
  db: Database,
  input: PageInput<Pick<StrategyActivation, 'id'>> = {},
): Promise<StrategyActivation[]> {
  return many(
    'listStrategyActivations',
    db
      .select()
      .from(activations)
      .where(input.after && lt(activations.id, input.after.id))
      .orderBy(desc(activations.id))
      .limit(readLimit(input.limit)),
  )
}
