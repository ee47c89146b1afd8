import { pgSchema } from 'drizzle-orm/pg-core'

export const trading = pgSchema('trading')

export {
  DIRECTIONS,
  type Direction,
  POSITION_SIDES,
  type PositionSide,
  SIDES,
  type Side,
} from '../position-state.ts'
