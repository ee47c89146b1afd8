import { and, desc, eq, type SQL } from 'drizzle-orm'
import { QueryBuilder } from 'drizzle-orm/pg-core'
import { toInstant, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { toUuid } from '../db/input.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { found, many, only } from '../db/rows.ts'
import { type PreparedStatement, selectStatement } from '../db/statement.ts'
import { toBotId } from '../fleet/bots.ts'
import { IDEA_STATUSES, type IdeaStatus, tradeIdeas } from './schema/trade-ideas.ts'

export type TradeIdea = typeof tradeIdeas.$inferSelect

/** What names one idea of one bot. */
export interface TradeIdeaKey {
  readonly botId: string
  readonly ideaId: string
}

/** @throws `invalid_input` naming `botId` or `ideaId`. */
export function readIdeaKey(input: TradeIdeaKey): TradeIdeaKey {
  return { botId: toBotId(input.botId), ideaId: toUuid(input.ideaId, 'ideaId') }
}

const byId: PreparedStatement<TradeIdea, 'botId' | 'ideaId'> = selectStatement('getTradeIdea', (slot) =>
  new QueryBuilder()
    .select()
    .from(tradeIdeas)
    .where(and(eq(tradeIdeas.botId, slot('botId')), eq(tradeIdeas.id, slot('ideaId')))),
)

/** Returns the idea as it stands. @throws `not_found` if the bot has no such idea. */
export async function getTradeIdea(db: Database, input: TradeIdeaKey): Promise<TradeIdea> {
  const key = readIdeaKey(input)
  const what = `trade idea '${key.ideaId}' of bot '${key.botId}'`
  return found(what, only('getTradeIdea', await byId.run(db, { ...key })))
}

export interface ListTradeIdeasInput extends PageInput<Pick<TradeIdea, 'createdAt' | 'id'>> {
  readonly botId: string
  /** Ideas of any status if left out. */
  readonly status?: IdeaStatus | undefined
}

/** Returns the ideas of a bot, those proposed last first. */
export async function listTradeIdeas(db: Database, input: ListTradeIdeasInput): Promise<TradeIdea[]> {
  const { botId, id, status, createdAt } = tradeIdeas
  const { after } = input
  const cursor = after && {
    at: toInstant(after.createdAt, 'after.createdAt'),
    id: toUuid(after.id, 'after.id'),
  }
  const ofStatus: SQL | undefined =
    input.status === undefined ? undefined : eq(status, toOneOf(input.status, IDEA_STATUSES, 'status'))
  return await many(
    ofStatus ? 'listTradeIdeas: status' : 'listTradeIdeas',
    db
      .select()
      .from(tradeIdeas)
      .where(and(eq(botId, toBotId(input.botId)), ofStatus, comesAfter(createdAt, id, cursor)))
      .orderBy(desc(createdAt), desc(id))
      .limit(readLimit(input.limit)),
  )
}
