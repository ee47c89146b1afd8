import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { readNow, toLabel } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { hashPassword, isOutdated, isPasswordOf } from './passwords.ts'
import { users } from './schema.ts'
import { type User, userColumns, userFields } from './user-input.ts'

/** Wrong passwords in a row that lock a user, and for how long. */
export const FAILED_LOGINS_MAX = 5
export const LOCK_MS = 900_000

/** How long the answer waits after the password was checked: longer than writing a try down, which is only done for a user who is there. */
const ANSWER_MS = 40

export interface AuthenticateUserInput {
  /** In whatever case. */
  readonly email: string
  readonly password: string
  /** The database's clock if left out. */
  readonly now?: Date | undefined
}

interface Candidate {
  readonly id: string
  readonly passwordHash: string
  readonly isOpen: boolean
}

const clock = (now: ReturnType<typeof sql>) =>
  sql`coalesce(${now}::timestamptz(3), clock_timestamp()::timestamptz(3))`

const findStatement: PreparedStatement<Candidate, 'email' | 'now'> = sqlStatement(
  'authenticateUser',
  (slot) => ({
    query: sql`
      select id, password_hash, is_active and (locked_until is null or locked_until <= ${clock(slot('now'))})
      from access.users where lower(email) = lower(${slot('email')})`,
    fields: { id: users.id, passwordHash: users.passwordHash, isOpen: users.isActive },
  }),
)

// One statement counts a try and locks, on the row as it is by then: however many tries run at once, each is counted after the others.
// What was the right password counts only if it still is.
type CountSlot = 'id' | 'isRight' | 'hash' | 'now'
const countStatement: PreparedStatement<User, CountSlot> = sqlStatement(
  'authenticateUser: count',
  (slot) => ({
    query: sql`
    with at as materialized (select ${clock(slot('now'))} as now)
    update access.users set
      failed_logins = case when ${slot('isRight')}::boolean then 0 when locked_until is not null then 1 else failed_logins + 1 end,
      locked_until = case when not ${slot('isRight')}::boolean and locked_until is null
        and failed_logins + 1 >= ${sql.raw(String(FAILED_LOGINS_MAX))}
        then at.now + ${sql.raw(String(LOCK_MS))} * interval '1 millisecond' end,
      last_login_at = case when ${slot('isRight')}::boolean then at.now else last_login_at end
    from at
    where id = ${slot('id')}::uuid and is_active and (locked_until is null or locked_until <= at.now)
      and (not ${slot('isRight')}::boolean or password_hash = ${slot('hash')})
    returning ${userColumns}`,
    fields: userFields,
  }),
)

const rehashStatement: PreparedStatement<User, 'id' | 'hash' | 'newHash'> = sqlStatement(
  'authenticateUser: rehash',
  (slot) => ({
    query: sql`
      update access.users set password_hash = ${slot('newHash')}, changed_by = 'authenticateUser'
      where id = ${slot('id')}::uuid and password_hash = ${slot('hash')}
      returning ${userColumns}`,
    fields: userFields,
  }),
)

// How often another hash may take the place of the one that was looked at.
const ATTEMPTS = 3

/**
 * Returns the user if the password is right, they are active and not locked; else undefined, without saying which, and after the same time
 * whether there is such a user or not.
 *
 * Five wrong passwords in a row lock a user for 15 minutes, in which no password is right; then they count anew. Call it outside a
 * transaction: one that is rolled back takes back what was counted.
 *
 * @throws `invalid_input` naming `email` or `password` if it is not text.
 * @throws `config` if passwords cannot be checked on this machine.
 */
export async function authenticateUser(
  db: Database,
  input: AuthenticateUserInput,
): Promise<User | undefined> {
  const email = toLabel(input.email, 'email').trim()
  const { password } = input
  if (typeof password !== 'string') {
    throw new DataError('invalid_input', `password is ${typeof password}, not text`, { field: 'password' })
  }
  const now = readNow(input.now)
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const candidate = only('authenticateUser', await findStatement.run(db, { email, now }))
    const isRight = await isPasswordOf(candidate?.passwordHash, password)
    const answer = sleep(ANSWER_MS)
    const user = candidate?.isOpen ? await count(db, candidate, isRight, now) : undefined
    const hasAnotherHash =
      user === undefined && isRight && candidate?.isOpen && (await isReplaced(db, candidate, email, now))
    await answer
    if (hasAnotherHash) continue
    if (!isRight || !user || !candidate) return undefined
    return (await withHashOfToday(db, candidate, password)) ?? user
  }
  return undefined
}

async function count(
  db: Database,
  { id, passwordHash }: Candidate,
  isRight: boolean,
  now: string | null,
): Promise<User | undefined> {
  return only(
    'authenticateUser: count',
    await countStatement.run(db, { id, isRight, hash: passwordHash, now }),
  )
}

/** True if another login, or somebody, has stored another hash since. */
async function isReplaced(
  db: Database,
  candidate: Candidate,
  email: string,
  now: string | null,
): Promise<boolean> {
  const stored = only('authenticateUser', await findStatement.run(db, { email, now }))
  return stored?.id === candidate.id && stored.isOpen && stored.passwordHash !== candidate.passwordHash
}

/** Makes the hash anew where it is of other costs than those of today. */
async function withHashOfToday(
  db: Database,
  { id, passwordHash }: Candidate,
  password: string,
): Promise<User | undefined> {
  if (!isOutdated(passwordHash)) return undefined
  const newHash = await hashPassword(password.normalize('NFC'))
  return only('authenticateUser: rehash', await rehashStatement.run(db, { id, hash: passwordHash, newHash }))
}
