import { and, asc, eq } from 'drizzle-orm'
import { toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { many } from '../db/rows.ts'
import { BOT_MODES, type BotMode, bots } from '../fleet/schema.ts'
import type { Fleet } from './scope.ts'

/** The bots that a fleet is made of: of one mode, and of one currency. */
export interface FoundFleet {
  readonly mode: BotMode
  readonly baseCurrency: string
  /** By id. */
  readonly botIds: readonly string[]
}

/**
 * Returns the bots of a fleet, whatever their status.
 *
 * @throws `not_found` if there is none.
 * @throws `invalid_input` naming the currencies, if no base currency is given and the bots count in several.
 */
export async function findFleet(db: Database, fleet: Fleet, verb = 'findFleet'): Promise<FoundFleet> {
  const { mode, baseCurrency } = readFleet(fleet)
  const rows = await many(
    verb,
    db
      .select({ botId: bots.botId, baseCurrency: bots.baseCurrency })
      .from(bots)
      .where(
        and(
          eq(bots.mode, mode),
          baseCurrency === undefined ? undefined : eq(bots.baseCurrency, baseCurrency),
        ),
      )
      .orderBy(asc(bots.botId)),
  )
  return { mode, baseCurrency: currencyOf(fleet, rows), botIds: rows.map(({ botId }) => botId) }
}

/** Reads which bots are asked for. @throws `invalid_input` naming the field. */
export function readFleet(fleet: Fleet): { readonly mode: BotMode; readonly baseCurrency?: string } {
  const { mode = 'live', baseCurrency } = fleet
  return {
    mode: toOneOf(mode, BOT_MODES, 'fleet.mode'),
    ...(baseCurrency === undefined ? {} : { baseCurrency: toName(baseCurrency, 'fleet.baseCurrency') }),
  }
}

/** The one currency that the bots of a fleet count in. @throws as `findFleet` does. */
export function currencyOf(
  { mode = 'live', baseCurrency: wanted }: Fleet,
  found: readonly { readonly baseCurrency: string }[],
): string {
  const currencies = [...new Set(found.map(({ baseCurrency }) => baseCurrency))].sort()
  const [first] = currencies
  if (first === undefined) {
    throw new DataError(
      'not_found',
      wanted === undefined ? `no ${mode} bot is registered` : `no ${mode} bot counts in '${wanted}'`,
    )
  }
  if (currencies.length === 1) return first
  throw new DataError(
    'invalid_input',
    `fleet.baseCurrency is missing: the ${mode} bots count in ${currencies.join(', ')}, which are not added up`,
    { field: 'fleet.baseCurrency' },
  )
}
