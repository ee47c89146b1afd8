export { createTestDatabase, type TestDatabase, type TestDatabaseOptions, withRollback } from './database.ts'
