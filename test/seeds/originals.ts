import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

// What became of each table of the systems that this one takes the place of.

/**
 * Where the content of a column is found: a column; `derived`, how it follows from columns; or `reason`, why it is kept nowhere and what serves
 * instead. Columns are named in full, as `trading.fills.price`.
 */
const homeSchema = z.union([
  z.string(),
  z.strictObject({ derived: z.string() }),
  z.strictObject({ reason: z.string() }),
])
export type Home = z.output<typeof homeSchema>

const originalSchema = z.strictObject({
  original: z.string(),
  /** Of the page of facts that describes its tables. */
  sections: z.array(z.string()).min(1),
  /** By their names: the table or view that took its place, and the home of each column. */
  tables: z.record(
    z.string(),
    z.strictObject({ home: z.string(), columns: z.record(z.string(), homeSchema) }),
  ),
})
export type Original = z.output<typeof originalSchema>

/** With the number of tables and columns that each had, so that none gets lost. */
const FILES = [
  ['iftb', 16, 338],
  ['ai-trader', 10, 97],
  ['mastertrade', 43, 344],
  ['alpha-unified', 12, 273],
  ['alpha-deployed', 7, 96],
] as const

export interface ListedOriginal extends Original {
  readonly text: string
  readonly tableCount: number
  readonly columnCount: number
}

export const originals: readonly ListedOriginal[] = FILES.map(([name, tableCount, columnCount]) => {
  const text = readFileSync(fileURLToPath(new URL(`./${name}.json`, import.meta.url)), 'utf8')
  return { ...originalSchema.parse(JSON.parse(text)), text, tableCount, columnCount }
})

/** Returns the names that an object of a JSON text has twice: parsing keeps the second and says nothing. */
export function repeatedNames(json: string): string[] {
  const repeated: string[] = []
  const open: Set<string>[] = []
  for (const [token, name] of json.matchAll(/[{}]|"((?:[^"\\]|\\.)*)"\s*:|"(?:[^"\\]|\\.)*"/g)) {
    if (token === '{') open.push(new Set())
    else if (token === '}') open.pop()
    else if (name !== undefined) {
      if (open.at(-1)?.has(name)) repeated.push(name)
      open.at(-1)?.add(name)
    }
  }
  return repeated
}

export interface DescribedTable {
  readonly section: string
  readonly table: string
  readonly columns: readonly string[]
}

const SECTION = /^## (\d+\.\d+) /
const TABLE = /^\*\*`([^`]+)`\*\*$/
const NAME = /`([^`]+)`/g

/** Reads the tables of a page of facts: a name in bold, below it a table whose first cells name the columns. */
export function describedTables(markdown: string): DescribedTable[] {
  const lines = markdown.split('\n')
  let section = ''
  return lines.flatMap((line, i): DescribedTable[] => {
    section = SECTION.exec(line)?.[1] ?? section
    const table = TABLE.exec(line)?.[1]
    if (table === undefined) return []
    const first = lines.findIndex((one, at) => at > i && one.startsWith('|'))
    const rows = lines.slice(first)
    const end = rows.findIndex((one) => !one.startsWith('|'))
    // The first two rows are the head.
    const cells = rows.slice(2, end === -1 ? undefined : end).map((row) => row.split('|')[1] ?? '')
    const columns = cells.flatMap((cell) => [...cell.matchAll(NAME)].map(([, name = '']) => name))
    return [{ section, table, columns }]
  })
}
