import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { formatDuration, formatSize, isCores, likelySize, parseDuration, parseSize } from './quantity.ts'

const read = (parse: (text: string) => number | null, texts: readonly string[]): Record<string, number | null> =>
  Object.fromEntries(texts.map((text) => [text, parse(text)]))

test('a duration is read in milliseconds from each unit and from units in falling order', () => {
  assert.deepEqual(read(parseDuration, ['30s', '1m30s', '250ms', '2h', '1.5h', '0.25s', '1d2h3m4s5ms', '0s', '7d']), {
    '30s': 30_000,
    '1m30s': 90_000,
    '250ms': 250,
    '2h': 7_200_000,
    '1.5h': 5_400_000,
    '0.25s': 250,
    '1d2h3m4s5ms': 93_784_005,
    '0s': 0,
    '7d': 604_800_000,
  })
})

test('a duration without a unit, with a sign, a space, a wrong order or a part of a millisecond is none', () => {
  const wrong = [
    '',
    '30',
    '-1s',
    '1 s',
    '30s1m',
    '1s1s',
    '0.5ms',
    '1e3s',
    's',
    '1w',
    '.5s',
    '1.s',
    '99999999999999d',
    '１s',
    '1s\n',
  ]
  assert.deepEqual(read(parseDuration, wrong), Object.fromEntries(wrong.map((text) => [text, null])))
})

test('a duration is written as shortly as a person would', () => {
  assert.deepEqual([0, 1, 250, 1000, 1500, 60_000, 90_000, 61_250, 3_600_000, 90_061_001].map(formatDuration), [
    '0s',
    '1ms',
    '250ms',
    '1s',
    '1.5s',
    '1m',
    '1m30s',
    '1m1.25s',
    '1h',
    '1d1h1m1.001s',
  ])
})

test('every duration is read back as what was written', () => {
  fc.assert(fc.property(fc.nat({ max: 2 ** 45 }), (durationMs) => parseDuration(formatDuration(durationMs)) === durationMs))
})

test('a size is read in bytes: KiB counts in 1024, KB in 1000', () => {
  assert.deepEqual(read(parseSize, ['512MiB', '1GB', '64KiB', '1.5GiB', '0B', '12B', '1TB', '1TiB', '1KB']), {
    '512MiB': 536_870_912,
    '1GB': 1_000_000_000,
    '64KiB': 65_536,
    '1.5GiB': 1_610_612_736,
    '0B': 0,
    '12B': 12,
    '1TB': 1_000_000_000_000,
    '1TiB': 1_099_511_627_776,
    '1KB': 1000,
  })
})

test('a size without a unit, with a sign, or in a unit of another tool is none', () => {
  const wrong = ['', '512', '512m', '512Mi', '512 MiB', '-1MiB', '1.5B', '1mib', '9999999TiB', '1constructor', '1e3MiB']
  assert.deepEqual(read(parseSize, wrong), Object.fromEntries(wrong.map((text) => [text, null])))
})

test('every size is read back as what was written', () => {
  fc.assert(fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (bytes) => parseSize(formatSize(bytes)) === bytes))
})

test('what another tool calls a size is understood as a hint, never as a value', () => {
  assert.deepEqual(['512m', '512Mi', '512 mib', '1.5g', '64k', '100', 'lots', '1.5'].map(likelySize), [
    '512MiB',
    '512MiB',
    '512MiB',
    '1.5GiB',
    '64KiB',
    '100B',
    null,
    null,
  ])
})

test('a share of a CPU is a hundredth of a core or more, in thousandths', () => {
  assert.deepEqual(
    [0.5, 1, 0.01, 0.125, 1024].filter((cores) => !isCores(cores)),
    [],
  )
  assert.deepEqual(
    [0, -1, 0.009, 0.0125, 1025, Number.NaN, Infinity].filter((cores) => isCores(cores)),
    [],
  )
})
