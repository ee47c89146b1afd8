import { sql } from 'drizzle-orm'
import { boolean, check, integer, pgSchema, primaryKey, uniqueIndex, uuid } from 'drizzle-orm/pg-core'
import { instant, isNotBlank, isOneOf, label, NOW } from '../db/columns.ts'

/** From the least that a user may do to the most. */
export const USER_ROLES = ['viewer', 'operator', 'approver', 'admin'] as const
export type UserRole = (typeof USER_ROLES)[number]

/** Characters of an email address at most: what the protocol that carries mail allows. */
export const EMAIL_LENGTH_MAX = 254

export const access = pgSchema('access')

/**
 * One person, or one program that acts for people. Never deleted: who leaves is made inactive.
 *
 * The database writes every change of one into `audit.system_events`, save ordinary logins; it refuses the change that would leave the fleet
 * without an active admin where there was one.
 */
export const users = access.table(
  'users',
  {
    id: uuid('id').notNull(),
    /** As it was given, without blanks around it. Unique without regard to case. */
    email: label('email').notNull(),
    role: label<UserRole>('role').notNull().default('viewer'),
    isActive: boolean('is_active').notNull().default(true),
    /** What to call the user by; null where nobody said. */
    displayName: label('display_name'),
    /** An argon2id hash in its usual text form, with its salt and parameters. No verb returns it. */
    passwordHash: label('password_hash').notNull(),
    /** Wrong passwords in a row since the last right one, or since a lock ended. */
    failedLogins: integer('failed_logins').notNull().default(0),
    /** No password is right before this moment. Null, or past, if the user is not locked. */
    lockedUntil: instant('locked_until'),
    /** Null until the first. */
    lastLoginAt: instant('last_login_at'),
    createdAt: instant('created_at').notNull().default(NOW),
    /** When anything but the traces of logins last changed. */
    updatedAt: instant('updated_at').notNull().default(NOW),
    /** Who made the last change: a person or a program. */
    changedBy: label('changed_by').notNull(),
  },
  (user) => [
    primaryKey({ name: 'users_id_pkey', columns: [user.id] }),
    // Serves findUserByEmail, authenticateUser, createUser, and listUsers in its order.
    uniqueIndex('users_email_key').on(sql`lower(${user.email})`),
    check(
      'users_email_check',
      sql`${user.email} ~ '^[^[:space:]@]+@[^[:space:]@]+$' and char_length(${user.email}) <= 254`,
    ),
    check('users_role_check', isOneOf(user.role, USER_ROLES)),
    check('users_display_name_check', isNotBlank(user.displayName)),
    check('users_password_hash_check', sql`${user.passwordHash} like '$argon2id$%'`),
    check('users_failed_logins_check', sql`${user.failedLogins} >= 0`),
    check('users_changed_by_check', isNotBlank(user.changedBy)),
  ],
)
