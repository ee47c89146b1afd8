export * from './fleet/schema.ts'
export { instruments, market } from './market/schema.ts'
export * from './trading/schema/index.ts'
