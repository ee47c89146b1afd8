import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Journal {
  readonly entries: readonly { readonly idx: number; readonly when: number; readonly tag: string }[]
}

/** Says what is wrong with a migrations folder: its order, its names, and files that its journal does not list. */
export function findJournalProblems(folder: string): string[] {
  const { entries } = JSON.parse(readFileSync(join(folder, 'meta', '_journal.json'), 'utf8')) as Journal
  const problems: string[] = []
  for (const [index, entry] of entries.entries()) {
    const before = entries[index - 1]
    if (before && entry.when <= before.when) {
      problems.push(
        `${entry.tag} is not dated after ${before.tag}: drizzle-kit would skip it; generate it anew`,
      )
    }
    if (entry.idx !== index) problems.push(`${entry.tag} is number ${entry.idx} in place ${index}`)
    if (!entry.tag.startsWith(String(index).padStart(4, '0'))) {
      problems.push(`${entry.tag} in place ${index} should begin with ${String(index).padStart(4, '0')}`)
    }
  }
  const listed = new Set(entries.map((entry) => `${entry.tag}.sql`))
  const files = new Set(readdirSync(folder).filter((file) => file.endsWith('.sql')))
  for (const file of files)
    if (!listed.has(file)) problems.push(`${file} is not in the journal: it never runs`)
  for (const file of listed)
    if (!files.has(file)) problems.push(`${file} is in the journal and does not exist`)
  return problems
}
