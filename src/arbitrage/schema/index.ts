export * from './findings.ts'
export * from './opportunities.ts'
export * from './prices.ts'
export { arbitrage } from './values.ts'
