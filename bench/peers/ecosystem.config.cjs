// pm2 with its back-off off: no delay before a restart, and no number of quick restarts at which it gives up.
const { BENCH_COUNT, FIRST_ACTION } = process.env

module.exports = {
  apps: Array.from({ length: Number(BENCH_COUNT) }, (_, index) => ({
    name: `idle-${index}`,
    script: `${__dirname}/first-action.sh`,
    interpreter: 'none',
    env: { FIRST_ACTION },
    autorestart: true,
    restart_delay: 0,
    min_uptime: 0,
    max_restarts: 1_000_000,
    pmx: false,
    vizion: false,
  })),
}
