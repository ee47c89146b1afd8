import type { cashFlows, fills } from './schema/fills.ts'
import type { positionLots, positions } from './schema/positions.ts'

export type Fill = typeof fills.$inferSelect
export type CashFlow = typeof cashFlows.$inferSelect
export type Position = typeof positions.$inferSelect
export type PositionLot = typeof positionLots.$inferSelect
