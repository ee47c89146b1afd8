import type { BotMode } from '../fleet/schema.ts'

/** Which bots are added up: those of one mode that count in one currency. */
export interface Fleet {
  /** Needed where the bots of the mode count in several. */
  readonly baseCurrency?: string | undefined
  /** `live` unless given: paper money is not added to real money. */
  readonly mode?: BotMode | undefined
}

/** One bot, or a fleet. */
export type Scope =
  | { readonly botId: string; readonly fleet?: undefined }
  | { readonly fleet: Fleet; readonly botId?: undefined }
