import { sql } from 'drizzle-orm'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { listNews, type News, type NewsInput, recordNews } from '../../src/market/news.ts'
import { news } from '../../src/market/schema/index.ts'
import { describeEngines } from '../database.ts'
import { planOf } from './plan.ts'

const minute = (n: number) => new Date(Date.UTC(2026, 0, 5, 12, n))

function headline(overrides: Partial<NewsInput> = {}): NewsInput {
  return { source: 'reuters', headline: 'Fed holds rates', publishedAt: minute(0), ...overrides }
}

const full = headline({
  externalId: 'r-1',
  summary: "Nobody's surprise",
  url: 'https://example.com/1',
  symbols: ['BTC/USDT', 'USD', 'a "quoted", {odd} one'],
  sentimentScore: -0.25,
})

describeEngines('news', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })
  beforeEach(async () => {
    await db.execute(sql`delete from ${news}`)
  })

  const record = (...list: NewsInput[]) => recordNews(db, { news: list })
  const only = async () => {
    const rows = await listNews(db)
    expect(rows).toHaveLength(1)
    return rows[0] as News
  }

  describe('recordNews', () => {
    it('stores what is given', async () => {
      expect(await record(full)).toEqual({ inserted: 1, updated: 0, unchanged: 0 })
      expect(await only()).toEqual({
        ...full,
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        recordedAt: expect.any(Date),
        updatedAt: expect.any(Date),
      })
    })

    it('stores what may be left out as unknown', async () => {
      await record(headline())
      expect(await only()).toMatchObject({ summary: null, url: null, symbols: [], sentimentScore: null })
    })

    it('changes nothing when the same is reported again', async () => {
      await record(full)
      const before = await only()
      expect(await record(full)).toEqual({ inserted: 0, updated: 0, unchanged: 1 })
      expect(await only()).toEqual(before)
    })

    it.each<Partial<NewsInput>>([
      { headline: 'Fed cuts' },
      { publishedAt: minute(1) },
      { summary: '' },
      { url: 'https://example.com/2' },
      { symbols: ['USD'] },
      { symbols: [] },
      { sentimentScore: 0 },
    ])('stores a change of nothing but %j and keeps the id', async (change) => {
      await record(full)
      const { id } = await only()
      expect(await record({ ...full, ...change })).toEqual({ inserted: 0, updated: 1, unchanged: 0 })
      expect(await only()).toMatchObject({ ...full, ...change, id })
    })

    it('keeps what a later report leaves out and erases what it says is null', async () => {
      await record(full)
      const poll = headline({ externalId: 'r-1' })
      expect(await record(poll)).toEqual({ inserted: 0, updated: 0, unchanged: 1 })
      expect(await only()).toMatchObject(full)
      await record({ ...poll, sentimentScore: null })
      expect(await only()).toMatchObject({ ...full, sentimentScore: null })
      await record({ ...poll, summary: null, url: null, symbols: null })
      expect(await only()).toMatchObject({ summary: null, url: null, symbols: [], sentimentScore: null })
    })

    it('tells reports that leave out different things apart within one call', async () => {
      const list = ['a', 'b', 'c'].map((externalId) => ({ ...full, externalId }))
      await record(...list)
      const { summary: _s, ...withoutSummary } = full
      const { url: _u, ...withoutUrl } = full
      const counts = await record(
        { ...withoutSummary, externalId: 'a', url: 'https://new' },
        { ...withoutUrl, externalId: 'b', summary: 'new' },
        { ...full, externalId: 'c' },
      )
      expect(counts).toEqual({ inserted: 0, updated: 2, unchanged: 1 })
      const rows = new Map((await listNews(db)).map((row) => [row.externalId, row]))
      expect(rows.get('a')).toMatchObject({ summary: full.summary, url: 'https://new' })
      expect(rows.get('b')).toMatchObject({ summary: 'new', url: full.url })
      expect(rows.get('c')).toMatchObject({ summary: full.summary, url: full.url })
    })

    it('lays reports of one headline in a call over each other, and counts each', async () => {
      const { sentimentScore: _, ...unscored } = full
      const counts = await record(unscored, { ...headline(), externalId: 'r-1', sentimentScore: 1 }, unscored)
      expect(counts).toEqual({ inserted: 1, updated: 1, unchanged: 1 })
      expect(await only()).toMatchObject({ ...full, sentimentScore: 1 })
    })

    it('knows a headline by its address where it has no id', async () => {
      const { externalId: _, ...known } = full
      await record(known)
      expect(await only()).toMatchObject({ externalId: full.url })
      await record({ ...known, headline: 'Fed holds rates (corrected)', publishedAt: minute(3) })
      expect(await only()).toMatchObject({ headline: 'Fed holds rates (corrected)' })
    })

    it('knows a headline by its text and time where it has no address either', async () => {
      await record(headline())
      expect(await record(headline({ summary: 'more' }))).toEqual({ inserted: 0, updated: 1, unchanged: 0 })
      expect((await only()).externalId).toMatch(/^[0-9a-f]{64}$/)
      const others = [
        headline({ publishedAt: minute(1) }),
        headline({ headline: 'Fed cuts' }),
        headline({ source: 'ap' }),
      ]
      expect(await record(...others)).toEqual({ inserted: 3, updated: 0, unchanged: 0 })
    })

    it('takes addresses that are too long for a key, and tells them apart', async () => {
      const url = (end: string) => `https://example.com/${'x'.repeat(5_000)}${end}`
      expect(await record(headline({ url: url('1') }), headline({ url: url('2') }))).toMatchObject({
        inserted: 2,
      })
      expect(await record(headline({ url: url('1') }))).toMatchObject({ unchanged: 1 })
      expect((await listNews(db)).map((row) => row.url).sort()).toEqual([url('1'), url('2')])
    })

    it('keeps each symbol once, in the order given', async () => {
      await record(headline({ symbols: ['ETH', 'BTC', 'ETH'] }))
      expect((await only()).symbols).toEqual(['ETH', 'BTC'])
    })

    it('stores more than one statement takes', async () => {
      const many = Array.from({ length: 2_100 }, (_, n) => headline({ externalId: `${n}` }))
      expect(await record(...many)).toEqual({ inserted: 2_100, updated: 0, unchanged: 0 })
      const changed = many.map((one, n) => (n < 50 ? { ...one, summary: 'x' } : one))
      expect(await record(...changed)).toEqual({ inserted: 0, updated: 50, unchanged: 2_050 })
    })

    it('lets writers of the same headlines come at once, in any order', async () => {
      const list = Array.from({ length: 50 }, (_, n) => headline({ externalId: `${n}` }))
      const writers = Array.from({ length: 6 }, (_, writer) => {
        const own = list.map((one) => ({ ...one, summary: `${writer}` }))
        return record(...(writer % 2 === 0 ? own : own.reverse()))
      })
      const counts = await Promise.all(writers)
      expect(counts.reduce((sum, one) => sum + one.inserted, 0)).toBe(50)
      expect(await listNews(db, { limit: 1000 })).toHaveLength(50)
    })

    it('does nothing with an empty list, and refuses what is none', async () => {
      expect(await record()).toEqual({ inserted: 0, updated: 0, unchanged: 0 })
      const refusal = { code: 'invalid_input', field: 'news' }
      await expect(recordNews(db, { news: full as never })).rejects.toMatchObject(refusal)
    })

    it.each<[string, Partial<NewsInput>]>([
      ['source', { source: '' }],
      ['source', { source: 'x'.repeat(201) }],
      ['externalId', { externalId: ' ' }],
      ['externalId', { externalId: 'x'.repeat(201) }],
      ['headline', { headline: '' }],
      ['headline', { headline: 'a\0' }],
      ['summary', { summary: '\ud800' }],
      ['url', { url: '' }],
      ['symbols', { symbols: 'BTC' as unknown as string[] }],
      ['symbols[1]', { symbols: ['BTC', ''] }],
      ['sentimentScore', { sentimentScore: 1.01 }],
      ['sentimentScore', { sentimentScore: -1.01 }],
      ['sentimentScore', { sentimentScore: Number.NaN }],
      ['sentimentScore', { sentimentScore: '1' as unknown as number }],
      ['publishedAt', { publishedAt: new Date(Number.NaN) }],
      ['publishedAt', { publishedAt: '2026-01-05' as unknown as Date }],
    ])('refuses a bad %s: %j, and stores nothing of the call', async (field, bad) => {
      const refusal = { code: 'invalid_input', field: `news[1].${field}` }
      await expect(record(headline(), headline(bad))).rejects.toMatchObject(refusal)
      expect(await listNews(db)).toEqual([])
    })

    it('takes scores at the ends of their range', async () => {
      await record(
        headline({ externalId: 'a', sentimentScore: -1 }),
        headline({ externalId: 'b', sentimentScore: 1 }),
      )
      expect((await listNews(db)).map((row) => row.sentimentScore).sort()).toEqual([-1, 1])
    })
  })

  describe('listNews', () => {
    const headlines = (rows: readonly News[]) => rows.map((row) => row.headline)
    const seed = () =>
      record(
        headline({ headline: 'a', publishedAt: minute(1), symbols: ['BTC'] }),
        headline({ headline: 'b', publishedAt: minute(2), symbols: ['ETH', 'BTC'] }),
        headline({ headline: 'c', publishedAt: minute(3), symbols: ['ETH'] }),
        headline({ headline: 'd', publishedAt: minute(4) }),
      )

    it('returns all, newest first', async () => {
      expect(await listNews(db)).toEqual([])
      await seed()
      expect(headlines(await listNews(db))).toEqual(['d', 'c', 'b', 'a'])
    })

    it('returns those about any of the symbols, once each', async () => {
      await seed()
      expect(headlines(await listNews(db, { symbols: ['BTC'] }))).toEqual(['b', 'a'])
      expect(headlines(await listNews(db, { symbols: ['ETH', 'BTC'] }))).toEqual(['c', 'b', 'a'])
      expect(await listNews(db, { symbols: ['btc', 'X"; drop table'] })).toEqual([])
    })

    it('begins at the first moment and ends before the last', async () => {
      await seed()
      expect(headlines(await listNews(db, { from: minute(2), until: minute(4) }))).toEqual(['c', 'b'])
      expect(headlines(await listNews(db, { from: minute(2), symbols: ['BTC'] }))).toEqual(['b'])
    })

    it('goes page by page, also through headlines of one moment', async () => {
      await record(...['a', 'b', 'c', 'd', 'e'].map((name) => headline({ headline: name })))
      const first = await listNews(db, { limit: 3 })
      const second = await listNews(db, { limit: 3, after: first[2] })
      expect([...headlines(first), ...headlines(second)].sort()).toEqual(['a', 'b', 'c', 'd', 'e'])
      expect(second).toHaveLength(2)
    })

    it('refuses bad input, and an empty choice of symbols', async () => {
      const bad: [string, Parameters<typeof listNews>[1]][] = [
        ['symbols', { symbols: [] }],
        ['symbols', { symbols: 'BTC' as unknown as string[] }],
        ['symbols[0]', { symbols: [' '] }],
        ['from', { from: new Date(Number.NaN) }],
        ['until', { until: 'now' as unknown as Date }],
        ['limit', { limit: 1001 }],
        ['after.publishedAt', { after: { publishedAt: new Date(Number.NaN), id: 'x' } }],
      ]
      for (const [field, input] of bad) {
        await expect(listNews(db, input)).rejects.toMatchObject({ code: 'invalid_input', field })
      }
    })

    it('finds a symbol by its index, and the newest by theirs', async () => {
      await db.execute(sql`
        insert into ${news} (id, source, external_id, headline, symbols, published_at)
        select gen_random_uuid(), 's', n::text, 'h', array['S' || n % 200, 'all'], timestamptz '2026-01-01' + n * interval '1 minute'
        from generate_series(1, 8000) n`)
      // Not only analyze: what waits to be put into the index makes it look dear.
      await db.execute(sql`vacuum analyze ${news}`)
      const about = await planOf(db, (db) => listNews(db, { symbols: ['S7', 'S9'] }))
      expect(about).toContain('news_symbols_idx')
      expect(about).not.toContain('news_published_at_id_idx')
      const latest = await planOf(db, (db) => listNews(db, { limit: 20 }))
      expect(latest).toContain('Index Scan using news_published_at_id_idx')
      expect(latest).not.toContain('Sort')
      expect(await listNews(db, { symbols: ['S7', 'S9'] })).toHaveLength(80)
    })
  })
})
