import { and, eq, sql } from 'drizzle-orm'
import { toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { maybeOne, one } from '../db/rows.ts'
import { toBotId } from './bots.ts'
import { toDocument } from './documents.ts'
import { type JsonValue, notes } from './schema.ts'

export type Note = typeof notes.$inferSelect

export interface SetNoteInput {
  readonly botId: string
  readonly key: string
  /** Any JSON. Its numbers are JS numbers and lose digits: give amounts as decimal text. */
  readonly value: JsonValue
}

/**
 * Keeps a value for the bot under a key, in place of what was there, and returns it.
 *
 * @throws `missing_reference` if the bot is not registered.
 * @throws `invalid_input` naming the field.
 */
export async function setNote(db: Database, input: SetNoteInput): Promise<Note> {
  const botId = toBotId(input.botId)
  const key = toName(input.key, 'key')
  return one(
    'setNote',
    `note '${key}' of bot '${botId}'`,
    db
      .insert(notes)
      .values({ botId, key, value: toDocument(input.value) })
      .onConflictDoUpdate({ target: [notes.botId, notes.key], set: { value: sql`excluded.value` } })
      .returning(),
  )
}

/** Returns what the bot keeps under a key, or undefined. */
export async function findNote(db: Database, input: Pick<Note, 'botId' | 'key'>): Promise<Note | undefined> {
  const botId = toBotId(input.botId)
  const key = toName(input.key, 'key')
  return maybeOne(
    'findNote',
    db
      .select()
      .from(notes)
      .where(and(eq(notes.botId, botId), eq(notes.key, key))),
  )
}
