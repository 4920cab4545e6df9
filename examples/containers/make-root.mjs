// The root of an image out of one static program: busybox is the shell, the web server and everything else in it.
import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

const busybox = ['/bin/busybox', '/usr/bin/busybox'].find(existsSync)
if (busybox === undefined) {
  console.error('There is no busybox here: apt install busybox-static')
  process.exit(1)
}
const root = join(import.meta.dirname, 'web/root')
rmSync(root, { recursive: true, force: true })
mkdirSync(join(root, 'bin'), { recursive: true })
mkdirSync(join(root, 'tmp'))
chmodSync(join(root, 'tmp'), 0o1777)
copyFileSync(busybox, join(root, 'bin/busybox'))
for (const name of ['sh', 'httpd', 'mkdir', 'date', 'sleep', 'cat', 'ls']) symlinkSync('busybox', join(root, 'bin', name))
