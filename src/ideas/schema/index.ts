export * from './auto-trading.ts'
export * from './trade-ideas.ts'
