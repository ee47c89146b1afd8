import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import { describeDatabases } from '../database.ts'
import { findSharedPage } from '../shared-data.ts'
import { query } from '../trading/ledger-fixture.ts'
import { describedTables, type Home, originals, repeatedNames } from './originals.ts'

const PAGE = findSharedPage('facts/seeds.md')

/** Every column of an original with its home, under its full name. */
const listed = originals.flatMap(({ original, tables }) =>
  Object.entries(tables).flatMap(([table, { columns }]) =>
    Object.entries(columns).map(([column, home]) => ({ name: `${original}: ${table}.${column}`, home })),
  ),
)

const sentenceOf = (home: Home) => (typeof home === 'string' ? undefined : Object.values(home).join())

describe('the tables of the earlier systems', () => {
  it.each(originals)('of $original are all listed, each once and with a home for each column', (one) => {
    const tables = Object.values(one.tables)
    expect(tables).toHaveLength(one.tableCount)
    expect(tables.flatMap(({ columns }) => Object.keys(columns))).toHaveLength(one.columnCount)
    expect(tables.filter(({ columns }) => Object.keys(columns).length === 0)).toEqual([])
    expect(repeatedNames(one.text)).toEqual([])
  })

  it('have a reason for what is kept nowhere: a sentence, and not a shrug', () => {
    const reasons = listed.flatMap(({ name, home }) =>
      typeof home === 'object' && 'reason' in home ? [{ name, reason: home.reason }] : [],
    )
    expect(reasons.length).toBeGreaterThan(0)
    const isSentence = (text: string) => /^[A-Z].{40,}\.$/.test(text) && text.split(' ').length >= 8
    expect(reasons.filter(({ reason }) => !isSentence(reason))).toEqual([])
    expect(reasons.filter(({ reason }) => /not needed|unused|obsolete|n\/a/i.test(reason))).toEqual([])
  })

  it.skipIf(PAGE === undefined)(
    'and their columns are those that were found in them (without ../shared/facts: not checked)',
    () => {
      const described = describedTables(PAGE ?? '')
      for (const { original, sections, tables } of originals) {
        const found = described.filter(({ section }) => sections.includes(section))
        const expected = Object.fromEntries(found.map(({ table, columns }) => [table, [...columns].sort()]))
        expect(found).toHaveLength(Object.keys(expected).length)
        const ours = Object.entries(tables).map(([table, { columns }]) => [
          table,
          Object.keys(columns).sort(),
        ])
        expect(Object.fromEntries(ours), original).toEqual(expected)
      }
      // A section of tables that nobody listed would be missed above.
      const sections = originals.flatMap((one) => one.sections)
      expect([...new Set(described.map(({ section }) => section))].sort()).toEqual([...sections].sort())
    },
  )
})

describeDatabases('the homes of what the earlier systems kept', (open) => {
  let columns: ReadonlySet<string>
  let tables: ReadonlySet<string>
  let schemas: readonly string[]

  beforeAll(async () => {
    // Not the information schema, which leaves materialised views out.
    const rows = await query(
      await open(),
      sql`select n.nspname as schema, n.nspname || '.' || c.relname as "table", a.attname as "column"
        from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relkind in ('r', 'p', 'v', 'm') and n.nspname !~ '^(pg_|information_schema$|drizzle$|public$)'`,
    )
    columns = new Set(rows.map((row) => `${row.table}.${row.column}`))
    tables = new Set(rows.map((row) => String(row.table)))
    schemas = [...new Set(rows.map((row) => String(row.schema)))]
  })

  /** All tables and columns that a text names in full. */
  const namesIn = (text: string): string[] =>
    text.match(new RegExp(`\\b(?:${schemas.join('|')})\\.[a-z_][a-z0-9_]*(?:\\.[a-z_][a-z0-9_]*)?`, 'g')) ??
    []

  it('are tables and views that are there', () => {
    const homes = originals.flatMap((one) => Object.values(one.tables).map(({ home }) => home))
    expect(homes.filter((home) => !tables.has(home))).toEqual([])
  })

  it('are columns that are there', () => {
    const direct = listed.filter(({ home }) => typeof home === 'string')
    expect(direct.filter(({ home }) => !columns.has(String(home)))).toEqual([])
  })

  it('name a column that is there wherever they are derived of some', () => {
    const without = listed.filter(
      ({ home }) =>
        typeof home === 'object' &&
        'derived' in home &&
        (!namesIn(home.derived).some((name) => columns.has(name)) ||
          // What is the column itself, says so.
          columns.has(home.derived.trim())),
    )
    expect(without).toEqual([])
  })

  it('name nothing that is not there, in what is derived and in reasons', () => {
    const unknown = listed.flatMap(({ name, home }) =>
      namesIn(sentenceOf(home) ?? '')
        .filter((one) => !columns.has(one) && !tables.has(one))
        .map((one) => `${name}: ${one}`),
    )
    expect(unknown).toEqual([])
  })

  it('hold something of every original in each table that took its place', () => {
    // A home of which no column is named would be one by name alone.
    const empty = originals.flatMap(({ original, tables: own }) =>
      Object.entries(own)
        .filter(([, { home, columns: homes }]) => {
          const named = Object.values(homes).flatMap((one) =>
            typeof one === 'string' ? [one] : namesIn(sentenceOf(one) ?? ''),
          )
          return !named.some((name) => name.startsWith(`${home}.`))
        })
        .map(([table]) => `${original}: ${table}`),
    )
    expect(empty).toEqual([])
  })
})
