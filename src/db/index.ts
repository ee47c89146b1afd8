export type { ConnectOptions } from './config.ts'
export { connect } from './connect.ts'
export type { Connection, Database, Logger, StatementLog } from './database.ts'
export { type Amount, Decimal } from './decimal.ts'
export { DataError, ERROR_CODES, type ErrorCode, isDataError } from './errors.ts'
export { type CheckHealthOptions, checkHealth, type Health } from './health.ts'
export type { Listener, Subscription } from './listen.ts'
export {
  getMigrationStatus,
  type MigrateOptions,
  type MigrationReport,
  migrate,
} from './migrate.ts'
export type { MigrationStatus } from './migration-status.ts'
export type { PageInput } from './page.ts'
export type { PoolFigures } from './pool.ts'
export { type IsolationLevel, type TransactionOptions, transaction } from './transaction.ts'
