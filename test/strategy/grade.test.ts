import { describe, expect, test } from 'vitest'
import { type GradePerformanceInput, gradePerformance } from '../../src/strategy/grade.ts'

const BEST: GradePerformanceInput = {
  sharpe: 2,
  maxDrawdownFraction: 0.05,
  winRate: 0.6,
  degradationFraction: 0.1,
  tradesCount: 20,
  idleDays: 14,
}
const grade = (over: Partial<GradePerformanceInput> = {}) => gradePerformance({ ...BEST, ...over })

describe('a grade', () => {
  test('is A+ with all of the points, exactly at each bound', () => {
    expect(grade()).toEqual({
      grade: 'A+',
      points: 100,
      scores: { sharpe: 40, drawdown: 25, winRate: 15, degradation: 20 },
      confidence: 1,
    })
  })

  test.each([
    [2, 40],
    [1.999, 35],
    [1.5, 35],
    [1.499, 25],
    [1, 25],
    [0.999, 15],
    [0.5, 15],
    [0.499, 5],
    [0, 5],
    [-0.001, 0],
    [null, 0],
  ])('gives a Sharpe ratio of %s %i points', (sharpe, points) => {
    expect(grade({ sharpe }).scores.sharpe).toBe(points)
  })

  test.each([
    [0, 25],
    [0.05, 25],
    [0.051, 20],
    [0.1, 20],
    [0.101, 15],
    [0.15, 15],
    [0.151, 10],
    [0.2, 10],
    [0.201, 5],
    [0.3, 5],
    [0.301, 0],
    [null, 0],
  ])('gives a drawdown of %s %i points', (maxDrawdownFraction, points) => {
    expect(grade({ maxDrawdownFraction }).scores.drawdown).toBe(points)
  })

  test.each([
    [1, 15],
    [0.6, 15],
    [0.599, 12],
    [0.5, 12],
    [0.499, 8],
    [0.4, 8],
    [0.399, 4],
    [0.3, 4],
    [0.299, 0],
    [0, 0],
    [null, 0],
  ])('gives a win rate of %s %i points', (winRate, points) => {
    expect(grade({ winRate }).scores.winRate).toBe(points)
  })

  test.each([
    [-1, 20],
    [0.1, 20],
    [0.101, 15],
    [0.2, 15],
    [0.201, 10],
    [0.3, 10],
    [0.301, 5],
    [0.5, 5],
    [0.501, 0],
    [null, 0],
  ])('gives a degradation of %s %i points', (degradationFraction, points) => {
    expect(grade({ degradationFraction }).scores.degradation).toBe(points)
  })

  test.each([
    [{ degradationFraction: 0.501, sharpe: 2 }, 80, 'A'],
    [{ degradationFraction: 0.5 }, 85, 'A+'],
    [{ sharpe: 0.5, maxDrawdownFraction: 0.1 }, 70, 'A'],
    [{ sharpe: 0.5, maxDrawdownFraction: 0.1, winRate: 0.5 }, 67, 'B'],
    [{ sharpe: 0.5, maxDrawdownFraction: 0.15, degradationFraction: 0.5 }, 50, 'B'],
    [{ sharpe: 0.5, maxDrawdownFraction: 0.15, degradationFraction: 0.5, winRate: 0.5 }, 47, 'C'],
    [{ sharpe: 0.5, maxDrawdownFraction: null, degradationFraction: null }, 30, 'C'],
    [{ sharpe: 0.5, maxDrawdownFraction: null, degradationFraction: null, winRate: 0.5 }, 27, 'D'],
    [{ sharpe: null, maxDrawdownFraction: null, degradationFraction: null, winRate: null }, 0, 'D'],
  ])('of %o is %i points, %s', (over, points, letter) => {
    expect(grade(over)).toMatchObject({ points, grade: letter })
  })

  test('is less sure of few trades and of long silence', () => {
    expect(grade({ tradesCount: 19 }).confidence).toBeCloseTo(0.8, 12)
    expect(grade({ idleDays: 14.01 }).confidence).toBeCloseTo(0.7, 12)
    expect(grade({ idleDays: null, tradesCount: 0, confidence: 0.5 }).confidence).toBeCloseTo(0.28, 12)
    expect(grade({ confidence: 0.9 }).confidence).toBe(0.9)
  })

  test.each([
    ['sharpe', { sharpe: Number.NaN }],
    ['maxDrawdownFraction', { maxDrawdownFraction: -0.1 }],
    ['winRate', { winRate: 1.01 }],
    ['tradesCount', { tradesCount: -1 }],
    ['idleDays', { idleDays: -1 }],
    ['confidence', { confidence: 2 }],
    ['degradationFraction', { degradationFraction: Number.NaN }],
    ['sharpe', { sharpe: '2' as unknown as number }],
  ])('refuses a wrong %s', (field, over) => {
    expect(() => grade(over)).toThrow(expect.objectContaining({ code: 'invalid_input', field }))
  })
})
