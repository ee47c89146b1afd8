/** Which part of an open position's cost a closing fill removes. */
export const COST_BASIS_METHODS = ['average', 'fifo', 'lifo'] as const
export type CostBasisMethod = (typeof COST_BASIS_METHODS)[number]
