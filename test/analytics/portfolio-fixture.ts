import type { Database } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import { type RegisterBotInput, registerBot } from '../../src/fleet/index.ts'
import { type SetInstrumentInput, setInstrument } from '../../src/market/index.ts'
import { recordFill } from '../../src/trading/index.ts'
import { emptyDay, type NewDay, storeRows } from './empty-day.ts'

/** When the fleets of these tests are looked at. */
export const NOW = new Date('2024-03-01T00:00:00Z')
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

export function minutesBefore(minutes: number): Date {
  return new Date(NOW.getTime() - minutes * MINUTE_MS)
}

let made = 0

/** A name that nothing else of the run has, in the order of their making. */
export function fresh(prefix: string): string {
  made += 1
  return `${prefix}${String(made).padStart(4, '0')}`
}

/** Registers a live bot that counts in `baseCurrency`: a fleet is what counts in a currency of its own. */
export async function makeMember(
  db: Database,
  baseCurrency: string,
  over: Partial<RegisterBotInput> = {},
): Promise<string> {
  const { botId } = await registerBot(db, {
    botId: fresh('member-'),
    kind: 'test',
    strategy: 'none',
    exchange: 'x',
    mode: 'live',
    baseCurrency,
    initialEquity: '1000',
    ...over,
  })
  return botId
}

/** Sets an instrument of exchange x: linear, quoted in `quoteCurrency`. */
export async function listSymbol(
  db: Database,
  symbol: string,
  quoteCurrency: string,
  over: Partial<SetInstrumentInput> = {},
): Promise<void> {
  await setInstrument(db, {
    exchange: 'x',
    symbol,
    kind: 'linear',
    baseCurrency: symbol,
    quoteCurrency,
    ...over,
  })
}

/** Records `buy 2 @ 90`, a month before `NOW` unless said otherwise, and returns the position. */
export async function trade(
  db: Database,
  botId: string,
  symbol: string,
  order: string,
  over: Partial<Parameters<typeof recordFill>[1]> = {},
): Promise<{ botId: string; positionId: string }> {
  const [side, quantity = '', , price = ''] = order.split(' ')
  const { positionId } = await recordFill(db, {
    botId,
    exchange: 'x',
    symbol,
    side: side === 'buy' ? 'buy' : 'sell',
    quantity,
    price,
    executedAt: new Date(NOW.getTime() - 30 * DAY_MS),
    exchangeTradeId: fresh('t'),
    ...over,
  })
  return { botId, positionId: positionId ?? '' }
}

export interface Day {
  readonly day: string
  /** Null for not known. */
  readonly start: number | null
  readonly end: number | null
  /** Net and total alike. */
  readonly total?: number | null
  readonly flows?: number | null
  readonly flowsAtStart?: number | null
  readonly isComplete?: boolean
  readonly figures?: Partial<NewDay>
}

const amount = (value: number | null) => (value === null ? null : new Decimal(value))

/** Stores a day of a bot as if it had been calculated. */
export async function storeDay(db: Database, botId: string, baseCurrency: string, one: Day): Promise<void> {
  const { day, start, end, total = 0, flows = 0, flowsAtStart = flows, isComplete = true } = one
  const row = emptyDay(botId, day, {
    baseCurrency,
    isComplete,
    netPnl: amount(total),
    totalPnl: amount(total),
    externalFlows: amount(flows),
    flowsAtStart: amount(flowsAtStart),
    equityStart: amount(start),
    equityEnd: amount(end),
    calculatedAt: NOW,
    ...one.figures,
  })
  await storeRows(db, [row])
}
