import assert from 'node:assert/strict'
import { test } from 'node:test'

import { shellPrograms } from './shell-programs.ts'

const samples: Readonly<Record<string, readonly string[]>> = {
  'node server.js': ['node'],
  './run --now > log 2>&1': ['./run'],
  '>log ./run': ['./run'],
  'exec ./run': ['./run'],
  'X=1 Y="a b" ./run': ['./run'],
  'PATH=/opt/bin tool': [],
  // Each of a pipeline is needed.
  'a | b': ['a', 'b'],
  'a "x | y" | tee log | ./c \'; d\'': ['a', 'tee', './c'],
  'a |\nb': ['a', 'b'],
  'echo x | b': ['b'],
  '$PROGRAM | b': ['b'],
  '"./my program" --x': ['./my program'],
  // What comes behind another program may be made by it; what does not stop the rest is not needed.
  'npm ci && ./dist/server': ['npm'],
  'a | b && c': ['a', 'b'],
  'a || b': [],
  'a; b': [],
  'a & b': [],
  'a\nb': [],
  // What the shell does itself changes nothing but the folder.
  'cd web && node a.js': ['node, elsewhere'],
  'cd web && ./run | tee log': ['./run, elsewhere', 'tee, elsewhere'],
  'set -e; export A=1 && b': ['b'],
  'cd web || exit 1; node a.js': [],
  'export PATH=/opt:$PATH && tool': [],
  'X=5; tool $X': ['tool'],
  // What only a shell can tell.
  'if a; then b; fi': [],
  '! a': [],
  '. ./env && a': [],
  'a $(b)': [],
  'a `b`': [],
  'a "$(b)" | c': [],
  '(a; b)': [],
  '{ a; }': [],
  'f() { a; }; f': [],
  'exec 2>&1 && node a.js': [],
  'exec >log; node a.js': [],
  'exec -- node a': [],
  'exec -a x node a': [],
  // Where /bin/sh is bash it carries these out itself.
  'pushd web && ./run': [],
  'shopt -s extglob && ./run': [],
  'declare -x A=1 && ./run': [],
  'let A=1 && ./run': [],
  'typeset A=1 && ./run': [],
  'builtin cd web && ./run': [],
  'a <<EOF\nb\nEOF': [],
  'a # | b': [],
  'a b#c | d': ['a', 'd'],
  '~/run': [],
  'a "unclosed | b': [],
  '': [],
  ' \n ': [],
}

for (const [text, expected] of Object.entries(samples)) {
  test(`${JSON.stringify(text)} needs ${expected.length === 0 ? 'nothing for certain' : expected.join(' and ')}`, () => {
    const found = shellPrograms(text).map(({ word, isInPlace }) => `${word}${isInPlace ? '' : ', elsewhere'}`)
    assert.deepEqual(found, expected)
  })
}
