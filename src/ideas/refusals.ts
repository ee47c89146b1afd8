import { DataError } from '../db/errors.ts'
import type { TradeIdea } from './trade-ideas.ts'

/** Why a user may not decide. */
export type UserProblem = 'unknown_user' | 'not_allowed'

export function refusedUser(problem: UserProblem, userId: string): DataError {
  if (problem === 'unknown_user') {
    return new DataError('not_found', `user '${userId}' not found`, { field: 'userId' })
  }
  return new DataError(
    'invalid_input',
    `userId '${userId}' may not decide on ideas: it takes an active user who is approver or admin`,
    { field: 'userId' },
  )
}

/** What is said to who decides on an idea that is not open any more, or not yet. */
export function notOpen(idea: TradeIdea): DataError {
  return new DataError('invalid_transition', `trade idea '${idea.id}' ${standingOf(idea)}`, {
    field: 'status',
  })
}

function standingOf({ status, decidedBy, decidedAt, statusReason }: TradeIdea): string {
  if (decidedAt === null) return `is ${status}, so there is nothing to approve`
  const at = `at ${decidedAt.toISOString()}`
  if (decidedBy === null) return `is ${status} since ${decidedAt.toISOString()}: ${statusReason}`
  return `was ${status === 'rejected' ? 'rejected' : 'approved'} by user '${decidedBy}' ${at}`
}
