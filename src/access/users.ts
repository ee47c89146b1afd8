import { and, asc, eq, type SQL, sql } from 'drizzle-orm'
import { toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { toUuid } from '../db/input.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { found, many, maybeOne, one, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { hashPassword, toPassword } from './passwords.ts'
import { USER_ROLES, type UserRole, users } from './schema.ts'
import { toEmail, type User, userColumns, userFields } from './user-input.ts'

export interface CreateUserInput {
  /** Unique without regard to case. */
  readonly email: string
  /** 12 to 1,000 characters. It is stored as a hash. */
  readonly password: string
  /** `viewer` unless said otherwise. */
  readonly role?: UserRole | undefined
  readonly displayName?: string | undefined
  /** Who creates the user: a person or a program. */
  readonly changedBy: string
}

/**
 * Stores a new user and returns it. Takes as long as a login: the password is hashed.
 *
 * @throws `conflict` naming `email` if there is a user with that address, in whatever case.
 * @throws `invalid_input` naming the field. No message holds the password.
 * @throws `config` if passwords cannot be hashed on this machine.
 */
export async function createUser(db: Database, input: CreateUserInput): Promise<User> {
  const email = toEmail(input.email)
  const role = toOneOf(input.role ?? 'viewer', USER_ROLES, 'role')
  const displayName = input.displayName === undefined ? null : toName(input.displayName, 'displayName')
  const changedBy = toName(input.changedBy, 'changedBy')
  const passwordHash = await hashPassword(toPassword(input.password))
  const user = await maybeOne(
    'createUser',
    db
      .insert(users)
      .values({ id: newId(), email, role, displayName, passwordHash, changedBy })
      .onConflictDoNothing()
      .returning(userFields),
  )
  if (user) return user
  throw new DataError('conflict', `there is a user with the email '${email}' already`, { field: 'email' })
}

export interface UserKey {
  readonly userId: string
}

/** Returns a user. @throws `not_found` if there is none of that id. */
export async function getUser(db: Database, input: UserKey): Promise<User> {
  const userId = toUuid(input.userId, 'userId')
  return await one(
    'getUser',
    `user '${userId}'`,
    db.select(userFields).from(users).where(eq(users.id, userId)),
  )
}

/** Returns the user of an email address, in whatever case, or undefined. */
export async function findUserByEmail(
  db: Database,
  input: { readonly email: string },
): Promise<User | undefined> {
  const email = toEmail(input.email)
  return await maybeOne('findUserByEmail', db.select(userFields).from(users).where(hasEmail(email)))
}

function hasEmail(email: string): SQL {
  return sql`lower(${users.email}) = lower(${email})`
}

export interface ListUsersInput extends PageInput<Pick<User, 'email'>> {
  readonly role?: UserRole | undefined
  /** Only those that are, or are not. Both if left out. */
  readonly isActive?: boolean | undefined
}

/** Returns users by their email addresses, without regard to case. */
export async function listUsers(db: Database, input: ListUsersInput = {}): Promise<User[]> {
  const { role, isActive, after } = input
  return await many(
    'listUsers',
    db
      .select(userFields)
      .from(users)
      .where(
        and(
          role && eq(users.role, toOneOf(role, USER_ROLES, 'role')),
          isActive === undefined ? undefined : eq(users.isActive, isActive),
          after && sql`lower(${users.email}) > lower(${toName(after.email, 'after.email')})`,
        ),
      )
      .orderBy(asc(sql`lower(${users.email})`))
      .limit(readLimit(input.limit)),
  )
}

type ChangeSlot = 'userId' | 'changedBy' | 'value'

/**
 * Changes one user. All active admins are locked first and in one order, so that of two who take the right from each other one sees what
 * the other did, and neither waits for the other forever.
 */
function changeStatement(verb: string, set: (value: SQL) => SQL): PreparedStatement<User, ChangeSlot> {
  return sqlStatement(verb, (slot) => ({
    query: sql`
      with wanted as materialized (
        select u.id from access.users u
        where u.id = ${slot('userId')}::uuid or (u.role = 'admin' and u.is_active)
        order by u.id for no key update)
      update access.users set ${set(slot('value'))}, changed_by = ${slot('changedBy')}
      where id = ${slot('userId')}::uuid and (select count(*) from wanted) > 0
      returning ${userColumns}`,
    fields: userFields,
  }))
}

async function change(
  db: Database,
  statement: PreparedStatement<User, ChangeSlot>,
  input: UserKey & { readonly changedBy: string },
  value: unknown,
): Promise<User> {
  const userId = toUuid(input.userId, 'userId')
  const changedBy = toName(input.changedBy, 'changedBy')
  return found(
    `user '${userId}'`,
    only(statement.name, await statement.run(db, { userId, changedBy, value })),
  )
}

const setActive = changeStatement('setUserActive', (value) => sql`is_active = ${value}::boolean`)
const setRole = changeStatement('setUserRole', (value) => sql`role = ${value}`)
const setPassword = changeStatement(
  'setUserPassword',
  (value) => sql`password_hash = ${value}, failed_logins = 0, locked_until = null`,
)
const unlock = changeStatement(
  'unlockUser',
  (value) => sql`failed_logins = ${value}::integer, locked_until = null`,
)

export interface SetUserActiveInput extends UserKey {
  readonly isActive: boolean
  /** Who changes it: a person or a program, as in all changes of users. */
  readonly changedBy: string
}

/**
 * Lets a user in or shuts them out, and returns the user. Safe to repeat.
 *
 * @throws `not_found` if there is no such user.
 * @throws `invalid_transition` if it would shut out the last active admin.
 */
export async function setUserActive(db: Database, input: SetUserActiveInput): Promise<User> {
  const { isActive } = input
  if (typeof isActive !== 'boolean') {
    throw new DataError('invalid_input', `isActive is ${typeof isActive}, not a boolean`, {
      field: 'isActive',
    })
  }
  return await change(db, setActive, input, isActive)
}

export interface SetUserRoleInput extends UserKey {
  readonly role: UserRole
  readonly changedBy: string
}

/**
 * Gives a user another role and returns the user. Safe to repeat.
 *
 * @throws `not_found` if there is no such user.
 * @throws `invalid_transition` if it would take the role from the last active admin.
 */
export async function setUserRole(db: Database, input: SetUserRoleInput): Promise<User> {
  return await change(db, setRole, input, toOneOf(input.role, USER_ROLES, 'role'))
}

export interface SetUserPasswordInput extends UserKey {
  /** 12 to 1,000 characters. It is stored as a hash. */
  readonly password: string
  readonly changedBy: string
}

/**
 * Gives a user another password, ends a lock, and returns the user. Takes as long as a login.
 *
 * @throws `not_found` if there is no such user.
 * @throws `invalid_input` naming the field. No message holds the password.
 * @throws `config` if passwords cannot be hashed on this machine.
 */
export async function setUserPassword(db: Database, input: SetUserPasswordInput): Promise<User> {
  return await change(db, setPassword, input, await hashPassword(toPassword(input.password)))
}

export interface UnlockUserInput extends UserKey {
  readonly changedBy: string
}

/** Ends the lock that wrong passwords put on a user, forgets them, and returns the user. Safe to repeat. @throws `not_found` if there is no such user. */
export async function unlockUser(db: Database, input: UnlockUserInput): Promise<User> {
  return await change(db, unlock, input, 0)
}
