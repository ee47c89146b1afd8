// One process of the races of logins: it tries passwords on one user, all at once.
import { authenticateUser } from '../../src/access/authenticate.ts'
import { listUsers } from '../../src/access/users.ts'
import { connect } from '../../src/db/connect.ts'

export interface GuessJob {
  readonly url: string
  readonly driver: 'postgres' | 'pg'
  readonly email: string
  readonly passwords: readonly string[]
}

/** Said first: that it is ready. It begins when it is answered, and says which passwords let it in. */
export type GuessNews = 'ready' | GuessReport

export interface GuessReport {
  readonly right: readonly string[]
  readonly errors: readonly string[]
}

let begin: () => void = () => undefined

process.on('message', (message: GuessJob | 'begin') => {
  if (message === 'begin') begin()
  else void guess(message).then((report) => process.send?.(report))
})

async function guess({ url, driver, email, passwords }: GuessJob): Promise<GuessReport> {
  await using db = await connect({ url, driver, poolSize: 4, skipSchemaCheck: true })
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  // So that every process has its connections before the race.
  await Promise.all(Array.from({ length: 4 }, () => listUsers(db)))
  process.send?.('ready')
  await begun
  const right: string[] = []
  const errors: string[] = []
  await Promise.all(
    passwords.map(async (password) => {
      try {
        if (await authenticateUser(db, { email, password })) right.push(password)
      } catch (error) {
        errors.push(String(error))
      }
    }),
  )
  return { right, errors }
}
