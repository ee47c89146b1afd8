export * from './daily-pnl.ts'
export * from './portfolio.ts'
export { analytics } from './values.ts'
export * from './views.ts'
