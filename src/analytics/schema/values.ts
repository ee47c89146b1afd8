import { pgSchema } from 'drizzle-orm/pg-core'

export const analytics = pgSchema('analytics')

export { isFiniteDouble, isFraction } from '../../risk/schema/values.ts'
