// All that a running bot may call.
export * from './analytics/index.ts'
export * from './audit/index.ts'
export { connect } from './connect.ts'
export * from './db/index.ts'
export * from './fleet/index.ts'
export * from './market/index.ts'
export * from './risk/index.ts'
export * from './trading/index.ts'
