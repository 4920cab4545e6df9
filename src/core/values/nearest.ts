/**
 * The nearest right spelling of a word, by optimal string alignment: Damerau-Levenshtein where no letter is moved twice (Boytsov,
 * "Indexing methods for approximate dictionary searching", 2011, section 2.2). Null rather than a far-fetched guess.
 */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  const limit = word.length <= 3 ? 1 : word.length <= 7 ? 2 : 3
  let best: string | null = null
  let bestDistance = limit + 1
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue
    const away = distance(word.toLowerCase(), candidate.toLowerCase())
    if (away < bestDistance) [best, bestDistance] = [candidate, away]
  }
  return best
}

/** Insertions, deletions, substitutions and swaps of neighbours that lead from `left` to `right`. O(left × right). */
export function distance(left: string, right: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let row = 1; row <= left.length; row++) {
    const current = [row]
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1]
      let cost = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1))
      const isSwap = row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]
      if (isSwap) cost = Math.min(cost, beforeLast[column - 2]! + 1)
      current.push(cost)
    }
    ;[beforeLast, last] = [last, current]
  }
  return last[right.length]!
}
