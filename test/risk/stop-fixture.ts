import type { Database } from '../../src/db/database.ts'
import { type CreateStopOrderInput, createStopOrder } from '../../src/risk/stop-orders.ts'
import { EXCHANGE, minute } from '../trading/ledger-fixture.ts'

let serial = 0

/** A symbol that no other test uses. */
export function freshSymbol(): string {
  serial += 1
  return `S${serial}`
}

/** Makes a stop of bot `a` in a symbol of its own: five per cent below a long from 100, unless said otherwise. */
export function makeStop(db: Database, input: Readonly<Record<string, unknown>> = {}) {
  return createStopOrder(db, {
    botId: 'a',
    exchange: EXCHANGE,
    symbol: freshSymbol(),
    direction: 'long',
    entryPrice: '100',
    kind: 'fixed',
    createdBy: 'a',
    now: minute(0),
    ...(input.stopPrice === undefined && input.kind === undefined ? { fraction: '0.05' } : {}),
    ...input,
    // Also of what does not fit together, to see it refused.
  } as unknown as CreateStopOrderInput)
}
