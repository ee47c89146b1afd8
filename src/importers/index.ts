export { type CashFlowsFromCcxtOptions, cashFlowsFromCcxt } from './ccxt-cash-flows.ts'
export { type FillsFromCcxtOptions, fillsFromCcxt } from './ccxt-fills.ts'
export {
  type InstrumentFromCcxtSymbolOptions,
  type InstrumentsFromCcxtOptions,
  instrumentFromCcxtSymbol,
  instrumentsFromCcxt,
} from './ccxt-instruments.ts'
export { type OrdersFromCcxtOptions, ordersFromCcxt } from './ccxt-orders.ts'
export type { CcxtFlow, CcxtOrderStatus } from './ccxt-schema.ts'
