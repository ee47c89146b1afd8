import { getTableColumns, sql } from 'drizzle-orm'
import { toLabel } from '../db/columns.ts'
import { DataError } from '../db/errors.ts'
import { EMAIL_LENGTH_MAX, users } from './schema.ts'

/** One user, without the hash of the password. */
export type User = Omit<typeof users.$inferSelect, 'passwordHash'>

/** All that is told of a user. */
export const { passwordHash: _, ...userFields } = getTableColumns(users)
export const userColumns = sql.raw(
  Object.values(userFields)
    .map((column) => column.name)
    .join(', '),
)

const EMAIL_PATTERN = /^[^\s@]+@[^\s@]+$/

/** Reads an email address, without the blanks around it. @throws `invalid_input` naming `email`. */
export function toEmail(value: string): string {
  const email = toLabel(value, 'email').trim()
  if (EMAIL_PATTERN.test(email) && [...email].length <= EMAIL_LENGTH_MAX) return email
  throw new DataError(
    'invalid_input',
    `email '${email.slice(0, 60)}' is not an address such as ann@example.com`,
    {
      field: 'email',
    },
  )
}
