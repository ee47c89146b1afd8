import type * as Argon2 from '@node-rs/argon2'
import { DataError } from '../db/errors.ts'

// What OWASP's cheat sheet on storing passwords asks of argon2id at least: 19 MiB, two passes, one lane. Less memory or fewer passes are
// cheaper to guess at; more make a login that costs a server of many users dear. A user's hash is made anew at the next login when these change.
export const MEMORY_KIB = 19_456
export const PASSES = 2
export const LANES = 1

/** Characters of a password: short ones are guessed, endless ones only keep the processor busy. */
export const PASSWORD_LENGTH_MIN = 12
export const PASSWORD_LENGTH_MAX = 1000
/** What is tried at most, before its characters are composed: no keyboard needs more units for one. */
const TRIED_UNITS_MAX = 8 * PASSWORD_LENGTH_MAX

const COSTS = { memoryCost: MEMORY_KIB, timeCost: PASSES, parallelism: LANES }
/** What a hash of these costs begins with: its kind, the version of argon2 and the costs. */
const PREFIX = `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$`

/** A hash of the same costs that no password has, for whom there is none: that takes as long as any other. */
const NOBODYS_HASH = `${PREFIX}${'A'.repeat(22)}$${'A'.repeat(43)}`

/**
 * Loads the library at the first need: importing the package loads nothing that is compiled.
 *
 * @throws `config` if there is no build of it for this machine.
 */
async function loadArgon2(): Promise<typeof Argon2> {
  try {
    return await import('@node-rs/argon2')
  } catch (cause) {
    throw new DataError(
      'config',
      `passwords need @node-rs/argon2, whose build for ${process.platform}-${process.arch} is not installed; install this package again on this machine, with its optional dependencies`,
      { cause },
    )
  }
}

/** Reads a password that is to be set. @throws `invalid_input` naming `password`; the message does not hold it. */
export function toPassword(value: string): string {
  if (typeof value !== 'string') throw refused('is not text')
  if (value.includes('\0')) throw refused('contains a NUL character')
  if (!value.isWellFormed()) throw refused('contains half of a surrogate pair')
  const password = composed(value)
  const length = lengthOf(password)
  if (length < PASSWORD_LENGTH_MIN) throw refused(`has fewer than ${PASSWORD_LENGTH_MIN} characters`)
  if (length > PASSWORD_LENGTH_MAX) throw refused(`has more than ${PASSWORD_LENGTH_MAX} characters`)
  return password
}

function refused(why: string): DataError {
  return new DataError('invalid_input', `password ${why}`, { field: 'password' })
}

/** One keyboard sends é as one character, another as two. */
function composed(value: string): string {
  return value.normalize('NFC')
}

function lengthOf(text: string): number {
  // Not by characters where the units alone are too many: the text may be of any size.
  return text.length > 2 * PASSWORD_LENGTH_MAX ? text.length : [...text].length
}

export async function hashPassword(password: string): Promise<string> {
  const { hash } = await loadArgon2()
  return await hash(password, COSTS)
}

/**
 * True if the hash is of this password. Without a hash, or with a password that nobody may have, it is false and takes just as long.
 */
export async function isPasswordOf(hash: string | undefined, tried: string): Promise<boolean> {
  const { verify } = await loadArgon2()
  const isPossible = tried.length <= TRIED_UNITS_MAX && tried.isWellFormed() && !tried.includes('\0')
  const isRight = await verify(hash ?? NOBODYS_HASH, isPossible ? composed(tried) : '')
  return isRight && isPossible && hash !== undefined
}

/** True for a hash of other costs than those of today. */
export function isOutdated(hash: string): boolean {
  return !hash.startsWith(PREFIX)
}
