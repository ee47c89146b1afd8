import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { authenticateUser } from '../../src/access/authenticate.ts'
import { getUser, listUsers, setUserActive, setUserRole } from '../../src/access/users.ts'
import { isDataError } from '../../src/db/errors.ts'
import { eventsOf, makeUser, PASSWORD, WRONG } from '../access/user-fixture.ts'
import { createDatabase } from '../database.ts'
import { query } from '../trading/ledger-fixture.ts'
import { Child } from './children.ts'
import type { GuessJob, GuessNews, GuessReport } from './login-guesser.ts'

/** Rounds; more of them for a soak. */
const ROUNDS = Number(process.env.TEST_RACE_ROUNDS ?? '1')
const PROCESSES = 3
const GUESSES = 10

async function race(guessers: readonly Child<GuessJob, GuessNews>[]): Promise<GuessReport[]> {
  for (const guesser of guessers) expect(await guesser.next()).toBe('ready')
  for (const guesser of guessers) guesser.send('begin')
  return await Promise.all(guessers.map((guesser) => guesser.next() as Promise<GuessReport>))
}

test.each(Array.from({ length: ROUNDS }, (_, round) => round + 1))(
  'thirty wrong passwords at once from three processes lock the user, and the right one does not pass (round %i)',
  async () => {
    await using shared = await createDatabase({ poolSize: 4 })
    const { db } = shared
    const { id, email } = await makeUser(db)
    const jobOf = (place: number, passwords: readonly string[]): GuessJob => ({
      url: shared.url,
      driver: place % 2 ? 'pg' : 'postgres',
      email,
      passwords,
    })
    const wrong = Array.from({ length: GUESSES }, (_, n) => `${WRONG} ${n}`)
    const guessers = Array.from(
      { length: PROCESSES },
      (_, place) => new Child<GuessJob, GuessNews>('login-guesser.ts', jobOf(place, wrong)),
    )
    const reports = await race(guessers)
    expect(reports).toEqual(Array(PROCESSES).fill({ right: [], errors: [] }))
    const locked = await getUser(db, { userId: id })
    // No more are counted than it takes.
    expect(locked.failedLogins).toBe(5)
    expect(locked.lockedUntil?.getTime()).toBeGreaterThan(Date.now() + 14 * 60_000)
    expect(await authenticateUser(db, { email, password: PASSWORD })).toBeUndefined()
    const messages = (await eventsOf(db, id)).map(({ message }) => message)
    expect(messages.filter((message) => message.includes('locked after 5'))).toHaveLength(1)

    // Again, with the right one as the last of each ten: it may come first by chance, but never once the user is locked.
    await query(
      db,
      sql`update access.users set failed_logins = 0, locked_until = null, changed_by = 'test' where id = ${id}`,
    )
    await query(
      db,
      sql`
      create table public.seen (n bigint generated always as identity, failed integer, locked boolean, came_in boolean)`,
    )
    await query(
      db,
      sql`
      create function public.see() returns trigger language plpgsql as $$
      begin
        insert into public.seen (failed, locked, came_in)
        values (old.failed_logins, old.locked_until is not null, new.last_login_at is distinct from old.last_login_at);
        return null;
      end $$`,
    )
    await query(
      db,
      sql`create trigger see after update on access.users for each row execute function public.see()`,
    )
    for (const [place, guesser] of guessers.entries())
      guesser.send(jobOf(place, [...wrong.slice(1), PASSWORD]))
    const mixed = await race(guessers)
    expect(mixed.flatMap(({ errors }) => errors)).toEqual([])
    const seen = await query(db, sql`select * from public.seen order by n`)
    expect(seen.filter((one) => one.locked)).toEqual([])
    const cameIn = seen.filter((one) => one.came_in)
    expect(cameIn).toHaveLength(mixed.flatMap(({ right }) => right).length)
    for (const one of cameIn) expect(Number(one.failed)).toBeLessThan(5)
  },
)

test.each(Array.from({ length: ROUNDS }, (_, round) => round + 1))(
  'of admins who take the right from each other at once, one keeps it (round %i)',
  async () => {
    await using shared = await createDatabase({ poolSize: 8 })
    const { db } = shared
    const admins = await Promise.all(Array.from({ length: 4 }, () => makeUser(db, { role: 'admin' })))
    const verdicts = await Promise.all(
      admins.map(async ({ id }, n) => {
        try {
          if (n % 2) await setUserRole(db, { userId: id, role: 'viewer', changedBy: 'x' })
          else await setUserActive(db, { userId: id, isActive: false, changedBy: 'x' })
          return 'done'
        } catch (error) {
          if (!isDataError(error)) throw error
          return error.code
        }
      }),
    )
    expect(verdicts.sort()).toEqual(['done', 'done', 'done', 'invalid_transition'])
    expect(await listUsers(db, { role: 'admin', isActive: true })).toHaveLength(1)

    // By plain SQL too, where two may wait for each other and one is told to run again.
    await query(db, sql`update access.users set role = 'admin', is_active = true, changed_by = 'x'`)
    const plain = await Promise.all(
      admins.map(async ({ id }) => {
        try {
          await query(db, sql`update access.users set role = 'viewer' where id = ${id}`)
          return 'done'
        } catch (error) {
          return isDataError(error) ? error.code : String(error)
        }
      }),
    )
    for (const verdict of plain) expect(['done', 'invalid_transition', 'transient']).toContain(verdict)
    expect((await listUsers(db, { role: 'admin', isActive: true })).length).toBeGreaterThan(0)
  },
)
