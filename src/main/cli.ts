/**
 * The entry of the command, the daemon and everything else that runs as `node dist/main/cli.js`. It must stay readable for old Nodes
 * (hence the one dynamic import): anyone who has one is told what to do instead of being shown a syntax error.
 */

const wanted = { major: 26, minor: 1 }

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major > wanted.major || (major === wanted.major && minor >= wanted.minor)) {
  await import('./run-command.ts').then(({ runCommand }) => runCommand())
} else {
  process.stderr.write(
    `daruma: this is Node ${process.versions.node} (${process.execPath}); daruma needs ${wanted.major}.${wanted.minor} or newer.\n` +
      'What to do: run it through its launcher `daruma`, which brings a Node of its own (reinstall with `npm install -g daruma` if that was left out),\n' +
      'or install a newer Node, or name one: DARUMA_NODE=/path/to/node daruma ...\n',
  )
  process.exitCode = 1
}
