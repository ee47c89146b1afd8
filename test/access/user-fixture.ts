import { sql } from 'drizzle-orm'
import type { CreateUserInput, User } from '../../src/access/index.ts'
import { createUser } from '../../src/access/users.ts'
import type { Database } from '../../src/db/database.ts'
import { query } from '../trading/ledger-fixture.ts'

export const PASSWORD = 'correct horse battery'
export const WRONG = 'incorrect horse battery'
export const NOBODY = '01890000-0000-7000-8000-000000000000'

let made = 0

/** Makes a user whom nobody else has. */
export async function makeUser(db: Database, over: Partial<CreateUserInput> = {}): Promise<User> {
  made += 1
  return await createUser(db, {
    email: `user${made}@example.com`,
    password: PASSWORD,
    changedBy: 'test',
    ...over,
  })
}

export interface UserEvent {
  readonly severity: string
  /** Null for what nobody did, as a lock. */
  readonly actor: string | null
  readonly message: string
  readonly details: {
    readonly userId: string
    readonly role: string
    readonly before: Readonly<Record<string, unknown>>
    readonly after: Readonly<Record<string, unknown>>
  }
}

/** What was written down of a user, oldest first. */
export async function eventsOf(db: Database, userId: string): Promise<UserEvent[]> {
  const rows = await query(
    db,
    sql`select severity, actor, message, details::text as details from audit.system_events
      where bot_id = '*' and kind = 'user_changed' and component = 'access' and details ->> 'userId' = ${userId} order by id`,
  )
  return rows.map((row) => ({ ...row, details: JSON.parse(String(row.details)) })) as unknown as UserEvent[]
}
